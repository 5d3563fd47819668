"""A small AlexNet: four convolutions, BatchNorm and Mish, a dense head of three layers.

Source: Krizhevsky 2012, "ImageNet Classification with Deep Convolutional Neural Networks"; simplified for
128 px by the course project that glioray continues. Mish: Misra 2019, arXiv 1908.08681.
Differs from it: the head's first width follows the image size; at 128 px it is the original 1024.

Shapes: (B,C,H,W) to logits (B,K).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from glioray.errors import ModelError
from glioray.models._blocks import conv_norm_act, dense_head
from glioray.models._contract import ModelConfig, Signature

MIN_SIZE_PX = 80


class Config(ModelConfig):
    """Settings of the custom CNN."""

    task: ClassVar[Literal["classification", "segmentation"]] = "classification"
    name: Literal["custom_cnn"] = "custom_cnn"
    dropout: float = Field(0.4, ge=0, lt=1, description="share of the head's units left out in training")


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image is too small to survive the strides.
    """
    if signature.image_size < MIN_SIZE_PX:
        raise ModelError(
            f"custom_cnn: {signature.image_size} px is too small for its strides; "
            f"prepare the data with --image-size {MIN_SIZE_PX} or more"
        )
    side = _feature_size(signature.image_size)
    return nn.Sequential(
        conv_norm_act(nn.Conv2d(signature.in_channels, 96, 9, stride=4), nn.Mish(), pool=True),
        conv_norm_act(nn.Conv2d(96, 256, 5), nn.Mish(), pool=True),
        conv_norm_act(nn.Conv2d(256, 384, 3, padding=1), nn.Mish(), pool=False),
        conv_norm_act(nn.Conv2d(384, 256, 3, padding=1), nn.Mish(), pool=True),
        dense_head((256 * side * side, 512, 128, signature.out_channels), nn.Mish, config.dropout),
    )


def _feature_size(image_size: int) -> int:
    """Side of the last feature map: stride 4 with kernel 9, pool, kernel 5, pool, pool."""
    first = ((image_size - 9) // 4 + 1) // 2
    return ((first - 4) // 2) // 2
