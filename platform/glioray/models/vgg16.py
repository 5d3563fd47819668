"""VGG-16 for 128 px: thirteen 3x3 convolutions in five stages and a dense head of three layers.

Source: Simonyan 2014, arXiv 1409.1556, configuration D.
Differs from it: He's initialization (He 2015, arXiv 1502.01852), with which it trains in one go instead of from a
shallower network. The last feature map is averaged down to 4 x 4, its size at 128 px, so that larger images do not
blow up the head. `skip: residual` adds a shortcut around each stage, a 1x1 convolution where the channels change
(He 2015, arXiv 1512.03385).

Shapes: (B,C,H,W) to logits (B,K).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from glioray.models._blocks import conv_relu_pool, dense_head, require_at_least, started_wide
from glioray.models._contract import ModelConfig, Signature

SMALLEST_PX = 32
LARGEST_SIDE = 4
STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))  # in base filters


class Config(ModelConfig):
    """Settings of VGG-16."""

    task: ClassVar[Literal["classification", "segmentation"]] = "classification"
    name: Literal["vgg16"] = "vgg16"
    base_filters: int = Field(64, ge=2, le=128, description="filters of the first stage; the last two have 8 times")
    head_units: int = Field(4096, ge=2, le=8192, description="width of the two hidden dense layers")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of the head's units left out in training")
    skip: Literal["none", "residual"] = Field("none", description="a shortcut around every stage")


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image is too small to survive the pools.
    """
    require_at_least(signature.image_size, SMALLEST_PX, config.name)
    side = min(signature.image_size // SMALLEST_PX, LARGEST_SIDE)
    widths = [[config.base_filters * times for times in stage] for stage in STAGES]
    fan_ins = [signature.in_channels, *(stage[-1] for stage in widths)]
    head_widths = (widths[-1][-1] * side * side, config.head_units, config.head_units, signature.out_channels)
    network = nn.Sequential(
        *(conv_relu_pool(i, w, config.skip == "residual") for i, w in zip(fan_ins, widths, strict=False)),
        nn.AdaptiveAvgPool2d(side),
        dense_head(head_widths, nn.ReLU, config.dropout),
    )
    return started_wide(network)
