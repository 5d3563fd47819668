"""What every kind of network is asked for: its kernels, and the feature maps of its blocks.

Of an average of networks its first member is looked into.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glioray.errors import ModelError
from glioray.explain.kernels import first_kernels
from glioray.insight.pictures import feature_sheet, kernel_sheet
from glioray.insight.result import Picture, Section
from glioray.models._maps import maps
from glioray.registry.averaged import Averaged
from glioray.serving.predictor import Predictor, PreparedSlice, stacked

MOST_BLOCKS = 16


def looked_into(predictor: Predictor, prepared: PreparedSlice) -> tuple[nn.Module, Tensor]:
    """The network, or the first of those that are averaged, and the image (1,C,S,S) as it takes it."""
    pixels = predictor.normalized(stacked([prepared])).contiguous(memory_format=torch.channels_last)
    network = predictor.network
    return next(network.each(pixels)) if isinstance(network, Averaged) else (network, pixels)


def first_network(predictor: Predictor) -> nn.Module:
    """The one that answers, or the first of an average."""
    return next(iter(predictor.network)) if isinstance(predictor.network, Averaged) else predictor.network


def kernels_of(predictor: Predictor) -> Section:
    """The first convolution's weights, as they answer: with a BatchNorm behind it folded in.

    Raises:
        ModelError: the network has no such convolution.
    """
    signature, channels = predictor.config.signature, predictor.config.contents.channels
    kernels = first_kernels(first_network(predictor))
    out, taken, size = kernels.shape[0], kernels.shape[1], kernels.shape[-1]
    is_apart = taken == 1 and signature.in_channels > 1
    caption = (
        f"The weights of the first convolution, {out} kernels of {size} x {size} px"
        + (", each of one channel of the image" if is_apart else f" on {', '.join(channels)}")
        + ". Red adds, blue takes away, white is 0; those with the largest weights come first."
    )
    picture = Picture("kernels.png", kernel_sheet(kernels, channels), "Kernels", caption, is_wide=True)
    facts = {"kernels": {"shape": list(kernels.shape), "largest": float(kernels.abs().max())}}
    return Section("What it looks for first", (picture,), facts)


def features_of(predictor: Predictor, prepared: PreparedSlice, name: str) -> Picture:
    """The strongest channels of each block; of many blocks some, evenly spread.

    Raises:
        ModelError: none of its blocks gives a map.
    """
    network, pixels = looked_into(predictor, prepared)
    found = maps(network, pixels, of=["features"])
    shown = {block: values[0].float().cpu() for block, values in found.items() if values.shape[-1] > 1}
    if not shown:
        raise ModelError(f"{predictor.config.architecture}: none of its blocks gives a feature map to show")
    step = -(-len(shown) // MOST_BLOCKS)
    shown = dict(list(shown.items())[::step])
    caption = (
        "Each row is a block, from the image on: its channels that differ most from place to place, by their number, "
        "white where the channel is highest. Each is on a scale of its own."
    )
    return Picture(f"{name}-features.png", feature_sheet(shown), "Feature maps", caption, is_wide=True)
