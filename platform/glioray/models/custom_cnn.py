"""A small AlexNet: four convolutions, BatchNorm and Mish, a dense head of three layers.

Source: Krizhevsky 2012, "ImageNet Classification with Deep Convolutional Neural Networks"; simplified for
128 px by the course project that glioray continues. Mish: Misra 2019, arXiv 1908.08681.
Differs from it: the head's first width follows the image size; at 128 px it is the original 1024. `skip: residual`
adds a shortcut around the two 3x3 convolutions (He 2015, arXiv 1512.03385), which needs no weights.

Shapes: (B,C,H,W) to logits (B,K).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from glioray.models._blocks import Residual, conv_norm_act, dense_head, require_at_least
from glioray.models._contract import ModelConfig, Signature
from glioray.models.alexnet import SMALLEST_PX, feature_side


class Config(ModelConfig):
    """Settings of the custom CNN."""

    task: ClassVar[Literal["classification", "segmentation"]] = "classification"
    name: Literal["custom_cnn"] = "custom_cnn"
    dropout: float = Field(0.4, ge=0, lt=1, description="share of the head's units left out in training")
    skip: Literal["none", "residual"] = Field("none", description="a shortcut around the 3x3 convolutions")


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image is too small to survive the strides.
    """
    require_at_least(signature.image_size, SMALLEST_PX, config.name)
    side = feature_side(signature.image_size)
    small_kernels: list[nn.Module] = [
        conv_norm_act(nn.Conv2d(256, 384, 3, padding=1), nn.Mish(), pool=False),
        conv_norm_act(nn.Conv2d(384, 256, 3, padding=1), nn.Mish(), pool=True),
    ]
    if config.skip == "residual":
        *layers, pool = [layer for stage in small_kernels for layer in stage.children()]
        small_kernels = [Residual(256, 256, layers), pool]
    return nn.Sequential(
        conv_norm_act(nn.Conv2d(signature.in_channels, 96, 9, stride=4), nn.Mish(), pool=True),
        conv_norm_act(nn.Conv2d(96, 256, 5), nn.Mish(), pool=True),
        *small_kernels,
        dense_head((256 * side * side, 512, 128, signature.out_channels), nn.Mish, config.dropout),
    )
