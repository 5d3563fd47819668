"""The U-Net: two 3x3 convolutions and ReLU a level, concatenated skips.

Source: Ronneberger 2015, arXiv 1505.04597. Differs from it, as the course project that glioray continues does: padded
convolutions, so that the mask is as large as the image; bilinear upsampling; the channels are halved inside each block
of the way up.

Shapes: (B,C,H,W) to logits (B,K,H,W).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from glioray.models._blocks import UNet
from glioray.models._contract import ModelConfig, Signature, require_multiple


class Config(ModelConfig):
    """Settings of the classic U-Net."""

    task: ClassVar[Literal["classification", "segmentation"]] = "segmentation"
    name: Literal["classic_unet"] = "classic_unet"
    base_filters: int = Field(16, ge=2, le=256, description="filters of the first level; each level doubles them")
    depth: int = Field(4, ge=1, le=6, description="how often the image is halved")


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image cannot be halved `depth` times.
    """
    require_multiple(signature.image_size, 2**config.depth, config.name)
    return UNet(signature.in_channels, signature.out_channels, config.base_filters, config.depth, two_convolutions)


def two_convolutions(in_channels: int, middle: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution and ReLU, twice."""
    return nn.Sequential(
        nn.Conv2d(in_channels, middle, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
    )
