"""Pieces that several architectures share.

Shapes: B images, C channels, H x W pixels, n base filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from glioray.errors import ModelError
from glioray.models._contract import ModelConfig
from glioray.models._separable import InvertedBottleneck

Block = Callable[[int, int, int], nn.Module]
Norm = Literal["none", "batch", "instance"]


class UNetConfig(ModelConfig):
    """Settings that all U-Nets have."""

    task: ClassVar[Literal["classification", "segmentation"]] = "segmentation"
    base_filters: int = Field(16, ge=2, le=256, description="filters of the first level; each level doubles them")
    depth: int = Field(4, ge=1, le=6, description="how often the image is halved")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the lowest level left out in training (Ronneberger 2015, section 3.1)"
    )
    deep_supervision: bool = Field(
        False, description="every level of the way up learns the mask at its own size (Lee 2015, arXiv 1409.5185)"
    )


class UNet(nn.Module):
    """Contracts `depth` times, expands back, and joins the levels by skips.

    `block(in, middle, out)` makes the two halves of a level's block. Levels have n, 2n, 4n, ... filters; every block
    of the way up halves its channels, so that bilinear upsampling needs no convolution.

    Args:
        in_channels: of the image.
        out_channels: of the logits.
        config: how wide and how deep.
        block: of every level.
        skips: concat doubles what the blocks of the way up read; add needs no more channels than one of the two.
        gated: every skip passes a `Gate`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        config: UNetConfig,
        block: Block,
        skips: Literal["concat", "add"] = "concat",
        gated: bool = False,
    ) -> None:
        super().__init__()
        widths = [config.base_filters * 2**level for level in range(config.depth)]
        outputs = [max(width // 2, config.base_filters) for width in reversed(widths)]
        joined = 2 if skips == "concat" else 1
        self.down = nn.ModuleList(block(i, w, w) for i, w in zip([in_channels, *widths], widths, strict=False))
        self.bottom = block(widths[-1], joined * widths[-1], widths[-1])
        self.dropout = nn.Dropout(config.dropout)
        self.join = nn.ModuleList(Join(skips, Gate(width) if gated else None) for width in reversed(widths))
        self.up = nn.ModuleList(
            block(joined * width, max(joined * width // 2, config.base_filters), output)
            for width, output in zip(reversed(widths), outputs, strict=True)
        )
        self.head = nn.Conv2d(config.base_filters, out_channels, 1)
        coarse = outputs[:-1] if config.deep_supervision else []
        self.coarse_heads = nn.ModuleList(nn.Conv2d(output, out_channels, 1) for output in coarse)
        self.apply(_start)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(B,C,H,W) to logits (B,K,H,W); in training with deep supervision those of all levels, finest first."""
        skips = []
        features = image
        for block in self.down:
            features = block(features)
            skips.append(features)
            features = F.max_pool2d(features, 2)
        features = self.dropout(self.bottom(features))
        levels = []
        for join, block, skip in zip(self.join, self.up, reversed(skips), strict=True):
            features = block(join(features, skip))
            levels.append(features)
        return level_logits(levels, self.head, self.coarse_heads if self.training else ())


class Join(nn.Module):
    """Upsamples what comes from below and joins it with the skip of its level."""

    def __init__(self, rule: Literal["concat", "add"], gate: Gate | None) -> None:
        super().__init__()
        self.rule = rule
        self.gate = gate

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B,w,H/2,W/2) and (B,w,H,W) to (B,w,H,W), or to (B,2w,H,W) where they are concatenated."""
        if self.gate is not None:
            skip = skip * self.gate(below, skip)
        below = _doubled(below)
        return torch.cat([skip, below], dim=1) if self.rule == "concat" else skip + below


class Gate(nn.Module):
    """Says for each pixel how much of a skip is let through (Oktay 2018, arXiv 1804.03999, figure 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(width, width, 1)
        self.key = nn.Conv2d(width, width, 1, stride=2)
        self.weigh = nn.Conv2d(width, 1, 1)
        self.sigmoid = nn.Sigmoid()  # a module, so that a hook sees the map

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B,w,H/2,W/2) and (B,w,H,W) to (B,1,H,W) in [0, 1]."""
        return _doubled(self.sigmoid(self.weigh(F.relu(self.query(below) + self.key(skip)))))


class Residual(nn.Module):
    """Layers with a shortcut around them that ends before their last one, the activation.

    The shortcut is the image of the layers' input itself where its channels fit, else a 1x1 convolution of it.

    Source: He 2015, arXiv 1512.03385, figure 2 and option B; one convolution alone gains nothing (section 3.2).
    """

    def __init__(self, in_channels: int, out_channels: int, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        *body, self.act = layers
        self.body = nn.Sequential(*body)
        fits = in_channels == out_channels
        self.shortcut = nn.Identity() if fits else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B,in,H,W) to (B,out,H,W)."""
        out: Tensor = self.act(self.body(features) + self.shortcut(features))
        return out


def level_logits(
    levels: Sequence[Tensor], head: nn.Module, coarse_heads: Iterable[nn.Module]
) -> Tensor | tuple[Tensor, ...]:
    """Logits of the last of the levels of a way up; with coarse heads those of all levels, finest first."""
    coarse = [coarse_head(level) for coarse_head, level in zip(coarse_heads, levels, strict=False)]
    logits: Tensor = head(levels[-1])
    return (logits, *reversed(coarse)) if coarse else logits


def two_convolutions(in_channels: int, middle: int, out_channels: int, norm: Norm = "none") -> nn.Sequential:
    """3x3 convolution, norm and ReLU, twice."""
    return nn.Sequential(*_convolution(in_channels, middle, norm), *_convolution(middle, out_channels, norm))


def conv_norm_act(conv: nn.Conv2d, act: nn.Module, pool: bool) -> nn.Sequential:
    """Convolution, BatchNorm, activation and, where asked for, a halving max-pool."""
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(conv.out_channels), act]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


def conv_relu_pool(in_channels: int, widths: Sequence[int], residual: bool) -> nn.Sequential:
    """3x3 convolutions of the given widths with ReLU, a halving max-pool, and a shortcut where asked for."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise([in_channels, *widths]):
        layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU(inplace=True)]
    if residual:
        layers = [Residual(in_channels, widths[-1], layers)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def dense_head(widths: Sequence[int], act: Callable[[], nn.Module], dropout: float) -> nn.Sequential:
    """Linear layers between the given widths; activation and dropout after all but the last."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths[:-1]):
        layers += [nn.Linear(fan_in, fan_out), act(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def started_wide(classifier: nn.Sequential) -> nn.Sequential:
    """The same network with He's initialization before every ReLU; the last layer, which has none, keeps torch's.

    Without it a deep network without norms learns nothing for epochs (He 2015, arXiv 1502.01852).
    """
    *hidden, _ = [layer for layer in classifier.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in hidden:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return classifier


def require_at_least(image_size: int, smallest_px: int, name: str) -> None:
    """Refuses an image of which the strides and pools of a network leave nothing."""
    if image_size < smallest_px:
        raise ModelError(
            f"{name}: {image_size} px is too small for its strides; "
            f"prepare the data with --image-size {smallest_px} or more"
        )


def _start(module: nn.Module) -> None:
    """He's initialization, as Ronneberger 2015 asks for, but 1/n where what goes in is no output of a ReLU.

    A gate starts half open: a saturated one has no gradient.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, InvertedBottleneck):  # visited after its convolutions
        for layer in (module.depthwise, module.expand):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    elif isinstance(module, Gate):
        nn.init.normal_(module.weigh.weight, std=0.01)


def _convolution(in_channels: int, out_channels: int, norm: Norm) -> list[nn.Module]:
    """The norm's own bias makes that of the convolution idle."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=norm == "none")
    norms: list[nn.Module] = []
    if norm == "batch":
        norms = [nn.BatchNorm2d(out_channels)]
    if norm == "instance":
        norms = [nn.InstanceNorm2d(out_channels, affine=True)]
    return [conv, *norms, nn.ReLU(inplace=True)]


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
