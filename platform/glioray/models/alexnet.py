"""AlexNet for 128 px: five convolutions with ReLU and a dense head of four layers.

Source: Krizhevsky 2012, "ImageNet Classification with Deep Convolutional Neural Networks".
Differs from it, as the course project that glioray continues does: a first kernel of 9 instead of 11, pools of 2, a
head of 512, 512 and 128 units without dropout, no local response normalization. The head's first width follows the
image size; at 128 px it is 1024. He's initialization. `skip: residual` adds a shortcut around the three 3x3
convolutions (He 2015, arXiv 1512.03385), which needs no weights.

Shapes: (B,C,H,W) to logits (B,K).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from glioray.models._blocks import conv_relu_pool, dense_head, require_at_least, started_wide
from glioray.models._contract import ModelConfig, Signature

SMALLEST_PX = 80


class Config(ModelConfig):
    """Settings of AlexNet."""

    task: ClassVar[Literal["classification", "segmentation"]] = "classification"
    name: Literal["alexnet"] = "alexnet"
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the head's units left out in training")
    skip: Literal["none", "residual"] = Field("none", description="a shortcut around the 3x3 convolutions")


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image is too small to survive the strides.
    """
    require_at_least(signature.image_size, SMALLEST_PX, config.name)
    side = feature_side(signature.image_size)
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(signature.in_channels, 96, 9, stride=4), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(96, 256, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        conv_relu_pool(256, (384, 384, 256), residual=config.skip == "residual"),
        dense_head((256 * side * side, 512, 512, 128, signature.out_channels), nn.ReLU, config.dropout),
    )
    return started_wide(network)


def feature_side(image_size: int) -> int:
    """Side of the last feature map: stride 4 with kernel 9, pool, kernel 5, pool, pool."""
    first = ((image_size - 9) // 4 + 1) // 2
    return ((first - 4) // 2) // 2
