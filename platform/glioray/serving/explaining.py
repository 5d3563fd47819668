"""What an answer can say of itself beside its figures: where a classifier looked, how unsure a mask is. No Ray.

N images, C channels, O outputs, H x W raw pixels, S x S prepared ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glioray.data.preprocessing import restore_mask
from glioray.errors import ModelError
from glioray.explain.methods import Method, heat_maps, methods
from glioray.explain.placing import scaled
from glioray.registry.averaged import Averaged
from glioray.registry.bundle import BundleConfig, fresh_network
from glioray.serving.predictor import MIRRORED_AXES, Predictor, PreparedSlice, stacked


@dataclass(frozen=True)
class Heat:
    """What counted for a class: (H,W) float32 in 0..1 in the raw picture's grid, and the highest place in it.

    `peak` is (row, column); none where nothing in the picture speaks for the class.
    """

    values: NDArray[np.float32]
    peak: tuple[int, int] | None


def known_methods(config: BundleConfig) -> tuple[Method, ...]:
    """The methods that the classifier of a bundle can be explained by; none of a segmentation model."""
    if config.contents.task != "classification":
        return ()
    with torch.device("meta"):  # the layers without their weights
        return _common(fresh_network(config))


def require_method(predictor: Predictor, method: Method) -> None:
    """Nothing, where a classifier can be explained so.

    Raises:
        ModelError: it cannot; the text says by what it can.
    """
    if predictor.config.contents.task != "classification":
        raise ModelError(f"explain={method}: {predictor.config.architecture} is no classifier; ask for uncertainty")
    able = _common(predictor.network)
    if method not in able:
        raise ModelError(
            f"explain={method}: {predictor.config.architecture} can be explained by {', '.join(able)} only"
        )


def explain(predictor: Predictor, slices: Sequence[PreparedSlice], labels: Sequence[str], method: Method) -> list[Heat]:
    """Where each slice counted for the label beside it, as the answer is made: over mirrored copies and members.

    Args:
        predictor: of a classifier.
        slices: that it prepared.
        labels: a class of each.
        method: `gradcam`, or `attention` for a Vision Transformer, whose map is the same for every class.

    Raises:
        ModelError: see `require_method`.
    """
    require_method(predictor, method)
    names = predictor.config.contents.classes
    classes = torch.tensor([names.index(label) for label in labels], device=predictor.device)
    pixels = predictor.normalized(stacked(slices))
    copies = []
    for axes in MIRRORED_AXES[predictor.config.flips]:
        mirrored = pixels.flip(axes).contiguous(memory_format=torch.channels_last)
        heats = [heat_maps(network, images, classes, method) for network, images in _each(predictor.network, mirrored)]
        copies.append(torch.stack(heats).mean(0).flip(axes))
    heat = scaled(torch.stack(copies).mean(0)).cpu().numpy()
    return [_restored(one, prepared) for one, prepared in zip(heat, slices, strict=True)]


def uncertainty(predictor: Predictor, slices: Sequence[PreparedSlice]) -> list[NDArray[np.float32]]:
    """(H,W) in 0..1 for each: bits of entropy of the mean probability over four mirrored copies, 0 outside the frame.

    Each output has an entropy of its own, the largest is shown: 1 is where a label is as likely as not. It tells where
    the model wavers, and no probability of error: a model may be wrong in the same way in every mirror.

    Source: Wang 2019, "Aleatoric uncertainty estimation with test-time augmentation for medical image segmentation",
    arXiv 1807.07356; differs from it: flips alone, and entropy of the mean instead of votes.
    """
    mean = predictor.mirrored_mean(stacked(slices), "both")
    bits = (_bits(mean) + _bits((1 - mean).clamp(min=0))).amax(dim=1).cpu().numpy()
    return [restore_mask(one, prepared.frame) for one, prepared in zip(bits, slices, strict=True)]


def _bits(probability: Tensor) -> Tensor:
    bits: Tensor = torch.special.entr(probability) / math.log(2)
    return bits


def _common(network: nn.Module) -> tuple[Method, ...]:
    """Those that every network that answers can be explained by."""
    members = list(network) if isinstance(network, Averaged) else [network]
    able = [methods(member) for member in members]
    return tuple(method for method in able[0] if all(method in others for others in able))


def _each(network: nn.Module, pixels: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
    if isinstance(network, Averaged):
        yield from network.each(pixels)
    else:
        yield network, pixels


def _restored(heat: NDArray[np.float32], prepared: PreparedSlice) -> Heat:
    values = restore_mask(heat, prepared.frame)
    row, column = np.unravel_index(values.argmax(), values.shape)
    return Heat(values, (int(row), int(column)) if values.any() else None)
