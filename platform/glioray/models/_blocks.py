"""Pieces that several architectures share.

Shapes: B images, C channels, H x W pixels, n base filters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Block = Callable[[int, int, int], nn.Module]


class UNet(nn.Module):
    """Contracts `depth` times, expands back, and joins the levels by concatenated skips.

    `block(in, middle, out)` makes the two-convolution block of a level. Levels have n, 2n, 4n, ... filters;
    every block of the way up halves its channels, so that bilinear upsampling needs no convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, base_filters: int, depth: int, block: Block) -> None:
        super().__init__()
        widths = [base_filters * 2**level for level in range(depth)]
        self.down = nn.ModuleList(block(i, w, w) for i, w in zip([in_channels, *widths], widths, strict=False))
        self.bottom = block(widths[-1], 2 * widths[-1], widths[-1])
        self.up = nn.ModuleList(block(2 * width, width, max(width // 2, base_filters)) for width in reversed(widths))
        self.head = nn.Conv2d(base_filters, out_channels, 1)
        self.apply(_start_wide)

    def forward(self, image: Tensor) -> Tensor:
        """(B,C,H,W) to logits (B,K,H,W)."""
        skips = []
        features = image
        for block in self.down:
            features = block(features)
            skips.append(features)
            features = F.max_pool2d(features, 2)
        features = self.bottom(features)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = block(torch.cat([skip, features], dim=1))
        logits: Tensor = self.head(features)
        return logits


def _start_wide(module: nn.Module) -> None:
    """He's initialization, which Ronneberger 2015 asks for: else nothing is learned for the first epochs."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def conv_norm_act(conv: nn.Conv2d, act: nn.Module, pool: bool) -> nn.Sequential:
    """Convolution, BatchNorm, activation and, where asked for, a halving max-pool."""
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(conv.out_channels), act]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


def dense_head(widths: Sequence[int], act: Callable[[], nn.Module], dropout: float) -> nn.Sequential:
    """Linear layers between the given widths; activation and dropout after all but the last."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths[:-1]):
        layers += [nn.Linear(fan_in, fan_out), act(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
