"""The U-Net: two 3x3 convolutions and ReLU a level, concatenated skips.

Source: Ronneberger 2015, arXiv 1505.04597. Differs from it, as the course project that glioray continues does: padded
convolutions, so that the mask is as large as the image; bilinear upsampling; the channels are halved inside each block
of the way up. `norm` puts a BatchNorm (Ioffe 2015, arXiv 1502.03167) or an instance norm (Isensee 2021,
doi:10.1038/s41592-020-01008-z) between each convolution and its ReLU.

Shapes: (B,C,H,W) to logits (B,K,H,W).
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field
from torch import nn

from glioray.errors import ModelError
from glioray.models._blocks import Norm, UNet, UNetConfig, two_convolutions
from glioray.models._contract import Signature, require_multiple


class Config(UNetConfig):
    """Settings of the classic U-Net."""

    name: Literal["classic_unet"] = "classic_unet"
    norm: Norm = Field("none", description="between a convolution and its ReLU; batch costs least")


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image cannot be halved `depth` times.
    """
    require_multiple(signature.image_size, 2**config.depth, config.name)
    if config.norm == "instance" and signature.image_size == 2**config.depth:
        raise ModelError(
            f"classic_unet: {signature.image_size} px leave one pixel at the lowest level, which no norm can use; "
            f"set model.norm to batch, or prepare the data with --image-size {2 * signature.image_size}"
        )
    block = partial(two_convolutions, norm=config.norm)
    return UNet(signature.in_channels, signature.out_channels, config, block)
