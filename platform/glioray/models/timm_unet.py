"""A U-Net whose way down is any network of timm that halves the image level by level.

Source: Ronneberger 2015, arXiv 1505.04597; with an encoder that was trained on other images, Iglovikov 2018, arXiv
1801.05746. Differs from the latter: bilinear upsampling in the place of transposed convolutions, and BatchNorm.

Shapes: (B,C,H,W) to logits (B,K,H,W).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from glioray.errors import ModelError
from glioray.models._blocks import level_logits, two_convolutions
from glioray.models._contract import Signature, require_multiple
from glioray.models._sizes import brief, refusal, require_size
from glioray.models._timm import TimmConfig, create, own_size
from glioray.models._weights import begin_with, check_weights

OTHERS = "choose another architecture, as resnet18 or convnext_atto"


class Config(TimmConfig):
    """Settings of a U-Net on an encoder of timm."""

    task: ClassVar[Literal["classification", "segmentation"]] = "segmentation"
    name: Literal["timm_unet"] = "timm_unet"
    decoder_filters: int = Field(
        16, ge=2, le=256, description="filters of the last level of the way up; each lower level has twice as many"
    )
    drop_path: float = Field(
        0.0, ge=0, lt=1, description="chance that a block of the encoder is passed by in training (arXiv 1603.09382)"
    )
    deep_supervision: bool = Field(
        False, description="every level of the way up learns the mask at its own size (Lee 2015, arXiv 1409.5185)"
    )


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature, with random weights whatever the config begins with.

    Raises:
        ModelError: the network of timm is no encoder of a U-Net, or it cannot take the size; the text names one that
            it takes.
    """
    channels, outputs = signature.in_channels, signature.out_channels

    def network(size_px: int) -> nn.Module:
        return EncoderUNet(_encoder(config, channels, size_px), outputs, config)

    def trial(size_px: int) -> str:
        return refusal(lambda: network(size_px), channels, size_px, (1, outputs, size_px, size_px))

    name = f"timm_unet {config.architecture}"
    require_multiple(signature.image_size, _reductions(config)[-1], name)
    require_size(trial, signature.image_size, own_size(config.architecture), name)
    return network(signature.image_size)


def start_weights(config: Config, model: nn.Module) -> None:
    """Loads the weights that the encoder begins with; does nothing where it begins from nothing."""
    assert isinstance(model, EncoderUNet)
    begin_with(config, model.encoder.model, fresh=set())  # type: ignore[arg-type]


def require_weights(config: Config) -> None:
    """Fetches and checks the weights that the encoder begins with."""
    check_weights(config)


class EncoderUNet(nn.Module):
    """Features of an encoder, expanded back to the size of the image level by level.

    Args:
        encoder: gives features (B,c,H/r,W/r) for each of its `feature_info.reduction()`, every r twice the one before.
        out_channels: of the logits.
        config: how wide the way up is, and what it learns.
    """

    def __init__(self, encoder: Any, out_channels: int, config: Config) -> None:
        super().__init__()
        reductions, channels = encoder.feature_info.reduction(), encoder.feature_info.channels()
        skips = dict(zip(reductions, channels, strict=True))
        self.reductions = tuple(reductions)
        self.levels = tuple(2**level for level in reversed(range(reductions[-1].bit_length() - 1)))  # ..., 4, 2, 1
        widths = [channels[-1], *(config.decoder_filters * level for level in self.levels)]
        self.encoder = encoder
        self.up = nn.ModuleList(
            two_convolutions(below + skips.get(level, 0), width, width, norm="batch")
            for level, (below, width) in zip(self.levels, pairwise(widths), strict=True)
        )
        self.head = nn.Conv2d(widths[-1], out_channels, 1)
        coarse = widths[1:-1] if config.deep_supervision else []
        self.coarse_heads = nn.ModuleList(nn.Conv2d(width, out_channels, 1) for width in coarse)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(B,C,H,W) to logits (B,K,H,W); in training with deep supervision those of all levels, finest first."""
        skips = dict(zip(self.reductions, self.encoder(image), strict=True))
        features = skips[self.reductions[-1]]
        levels = []
        for level, block in zip(self.levels, self.up, strict=True):
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = block(torch.cat([skips[level], features], dim=1) if level in skips else features)
            levels.append(features)
        return level_logits(levels, self.head, self.coarse_heads if self.training else ())


def _encoder(config: Config, channels: int, size_px: int | None) -> Any:
    """The features of a network of timm, without its head."""
    features: dict[str, Any] = {"features_only": True, "feature_cls": "getter"}
    try:
        encoder: Any = create(config.architecture, channels, size_px, drop_path=config.drop_path, **features)
    except (AttributeError, TypeError) as error:
        raise ModelError(
            f"timm_unet: timm cannot take features out of {config.architecture!r} ({brief(error)}); {OTHERS}"
        ) from None
    encoder.model.input_shape = encoder.input_shape
    return encoder


def _reductions(config: Config) -> Sequence[int]:
    """How much smaller each level of an encoder is than the image.

    Raises:
        ModelError: not each is half the one before it, as in a ViT, whose levels are all alike.
    """
    with torch.device("meta"):
        reductions: list[int] = _encoder(config, 3, None).feature_info.reduction()
    usual = [reductions[0] * 2**level for level in range(len(reductions))]
    if reductions != usual or reductions[0] not in (1, 2, 4):
        raise ModelError(
            f"timm_unet: the levels of {config.architecture!r} are {', '.join(map(str, reductions))} times smaller "
            f"than the image, a U-Net needs 2, 4, 8 and so on; {OTHERS}"
        )
    return reductions
