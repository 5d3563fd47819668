"""The improved U-Net with a gate on every skip: the way up says what it wants to see of the way down.

Source: Oktay 2018, arXiv 1804.03999. Differs from it, as the course project that glioray continues does: the blocks and
the added skips of `improved_unet`; no BatchNorm inside a gate. A gate starts half open.

Shapes: (B,C,H,W) to logits (B,K,H,W).
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from glioray.models._blocks import UNet, UNetConfig
from glioray.models._contract import Signature, require_multiple
from glioray.models._separable import inverted_bottlenecks


class Config(UNetConfig):
    """Settings of the attention U-Net."""

    name: Literal["attention_unet"] = "attention_unet"


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image cannot be halved `depth` times.
    """
    require_multiple(signature.image_size, 2**config.depth, config.name)
    return UNet(signature.in_channels, signature.out_channels, config, inverted_bottlenecks, skips="add", gated=True)
