"""A U-Net of separable convolutions: inverted bottlenecks with a 7x7 depthwise kernel, added skips.

Source: Liu 2022, arXiv 2201.03545 (large depthwise kernels); Sandler 2018, arXiv 1801.04381 (inverted bottleneck);
Chollet 2016, arXiv 1610.02357 (separable convolution); the skeleton is Ronneberger 2015, arXiv 1505.04597.
Differs from them, as the course project that glioray continues does: BatchNorm and ReLU instead of LayerNorm and GELU,
no residual inside a block, two bottlenecks a level, each four times as wide as the wider of its ends.

Shapes: (B,C,H,W) to logits (B,K,H,W).
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from glioray.models._blocks import UNet, UNetConfig
from glioray.models._contract import Signature, require_multiple
from glioray.models._separable import inverted_bottlenecks


class Config(UNetConfig):
    """Settings of the improved U-Net."""

    name: Literal["improved_unet"] = "improved_unet"


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image cannot be halved `depth` times.
    """
    require_multiple(signature.image_size, 2**config.depth, config.name)
    return UNet(signature.in_channels, signature.out_channels, config, inverted_bottlenecks, skips="add")
