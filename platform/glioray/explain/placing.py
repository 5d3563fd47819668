"""A coarse map of cells as a heat map over the image.

Shapes: B images, h x w cells, S x S pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def placed(cells: Tensor, size_px: int, first_px: float, step_px: float) -> Tensor:
    """(B,S,S) of cells (B,h,w): each is highest in the middle of what it sees and gone where its neighbors are.

    The usual way, which stretches the map over the whole image, is wrong where convolutions have no padding: the
    outermost cells of AlexNet at 128 px would be drawn 13 px too near to the border.

    Args:
        cells: of any height.
        size_px: side of the image.
        first_px: row and column of the image that the first cell is in the middle of.
        step_px: from one cell to the next.
    """
    pixels = torch.arange(size_px, device=cells.device, dtype=torch.float32)
    y, x = (2 * (pixels - first_px) / (step_px * max(length - 1, 1)) - 1 for length in cells.shape[1:])
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).expand(len(cells), -1, -1, -1)
    return F.grid_sample(cells.float()[:, None], grid, padding_mode="zeros", align_corners=True)[:, 0]


def scaled(heat: Tensor) -> Tensor:
    """(B,S,S) whose highest value is 1, of values of 0 and more; what is 0 everywhere stays so."""
    highest = heat.amax((1, 2), keepdim=True)
    return torch.where(highest > 0, heat / highest, 0.0)
