"""Where the pixels of moved images come from: one resampling for turn, zoom, shift and bend together.

Signs and units are those of `torchvision.transforms.v2.functional.affine`. Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

BEND_POINTS = 3


class Movement(NamedTuple):
    """Of each image its place in the frame."""

    turn_degrees: Tensor
    """(B,) clockwise"""
    zoom: Tensor
    """(B,) 1 leaves the size"""
    shift: Tensor
    """(B,2) to the right and down, as parts of the side"""
    bend: Tensor
    """(B,2,3,3) displacement of control points from border to border, as parts of the side"""

    @property
    def is_any(self) -> Tensor:
        """(B,) whether an image is moved at all."""
        is_bent = self.bend.flatten(1).any(1)
        return (self.turn_degrees != 0) | (self.zoom != 1) | self.shift.any(1) | is_bent


def sampling_grid(movement: Movement, height: int, width: int) -> Tensor:
    """(B,H,W,2) the place in the image that each pixel is read from, as `grid_sample` takes it.

    Bent as U-Net's authors did: displacements of a 3 by 3 grid of points, bicubic between them.

    Source: Ronneberger 2015, arXiv 1505.04597, section 3.1.
    """
    turn, zoom = movement.turn_degrees.deg2rad(), movement.zoom
    cosine, sine = turn.cos() / zoom, turn.sin() / zoom
    x, y = (torch.arange(size, device=turn.device) - (size - 1) / 2 for size in (width, height))
    x = x - width * movement.shift[:, :1]
    y = y - height * movement.shift[:, 1:]
    by_x, by_y = torch.stack([cosine, -sine], 1)[:, :, None], torch.stack([sine, cosine], 1)[:, :, None]
    half = turn.new_tensor([width, height])[:, None] / 2
    across, down = by_x * x[:, None] / half, by_y * y[:, None] / half
    grid = across[:, :, None, :] + down[:, :, :, None]  # (B,2,H,W): far faster to make than with x and y side by side
    if movement.bend.any():
        grid += 2 * _between_points(height, turn) @ movement.bend @ _between_points(width, turn).mT
    return grid.movedim(1, -1)


def _between_points(size: int, like: Tensor) -> Tensor:
    """(S,3) the part that each of 3 points has in each place, by bicubic interpolation."""
    points = torch.eye(BEND_POINTS, device=like.device, dtype=like.dtype)[None, None]
    return F.interpolate(points, (size, BEND_POINTS), mode="bicubic", align_corners=True)[0, 0]


def resampled(images: Tensor, grid: Tensor) -> Tensor:
    """(B,C,H,W) float, bilinear; 0 comes in from outside."""
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def resampled_labels(masks: Tensor, grid: Tensor) -> Tensor:
    """(B,H,W) of the same values, by nearest neighbor; 0 comes in from outside."""
    nearest = F.grid_sample(masks[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return nearest[:, 0].to(masks.dtype)
