"""Changed gray levels of images: each function takes (B,C,H,W) float in 0..255 and an amount for each image.

Every one does what torchvision's v2 does to a single image, which takes one amount for all. Where a result leaves
0..255 the next step, or the last rounding, brings it back.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

WHITE = 255.0


def filled(images: Tensor, is_filled: Tensor, channel: int) -> Tensor:
    """(B,C,H,W) of any type; each channel that (B,C) names is replaced by the given one."""
    rows, channels = is_filled.shape
    source = torch.arange(rows * channels).view(rows, channels)
    source = torch.where(is_filled, source[:, channel, None], source).flatten()
    return images.flatten(0, 1).index_select(0, source.to(images.device)).view_as(images)


def blurred(pixels: Tensor, sigma_px: Tensor, radius_px: int) -> Tensor:
    """Convolved with a Gaussian of the standard deviation (B,), mirrored at the border.

    The radius is cut to what can be mirrored: a pixel less than the shorter side.
    """
    radius_px = min(radius_px, min(pixels.shape[-2:]) - 1)
    distance = torch.arange(-radius_px, radius_px + 1, device=pixels.device)
    kernels = (-0.5 * (distance / sigma_px[:, None]) ** 2).softmax(dim=1)
    kernels = kernels.repeat_interleave(pixels.shape[1], dim=0)[:, None, None]
    planes = F.pad(pixels, (radius_px,) * 4, mode="reflect").flatten(0, 1)[None]
    across = F.conv2d(planes, kernels, groups=len(kernels))
    return F.conv2d(across, kernels.mT, groups=len(kernels)).view_as(pixels)


def contrasted(pixels: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Stretched about the mean of the image by (B,), then multiplied by (B,)."""
    contrast, brightness = (factor[:, None, None, None] for factor in (contrast, brightness))
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return pixels.mul_(contrast * brightness).add_(mean * (1 - contrast) * brightness)


def gamma_corrected(pixels: Tensor, gamma: Tensor) -> Tensor:
    """Raised to the power (B,); black and white stay."""
    shares = pixels.clamp_(0, WHITE).div_(WHITE)
    return shares.pow_(gamma[:, None, None, None]).mul_(WHITE)


def noisy(pixels: Tensor, deviation: Tensor, grain: torch.Generator) -> Tensor:
    """With Gaussian noise of the standard deviation (B,), a part of white; `grain` is of the device of the pixels."""
    noise = torch.randn(pixels.shape, generator=grain, device=pixels.device)
    return pixels.addcmul_(noise, WHITE * deviation[:, None, None, None])


def cut_out(pixels: Tensor, box: Tensor) -> Tensor:
    """Black in a box (B,4): its top, left, height and width, as parts of the side."""
    top, left, height, width = box[:, :, None].unbind(1)
    down, across = ((torch.arange(size, device=pixels.device) + 0.5) / size for size in pixels.shape[-2:])
    is_row, is_column = (down >= top) & (down < top + height), (across >= left) & (across < left + width)
    return pixels.mul_(1.0 - (is_row[:, None, :, None] & is_column[:, None, None, :]).float())


def draw_boxes(rows: int, least: float, most: float, steepest: float) -> Tensor:
    """(B,4) for `cut_out`: an area between two parts of the image, sides at most `steepest` to 1.

    Source: Zhong 2020, arXiv 1708.04896.
    """
    area = least + (most - least) * torch.rand(rows)
    ratio = ((2 * torch.rand(rows) - 1) * math.log(steepest)).exp()
    sides = torch.stack([area * ratio, area / ratio], 1).sqrt().clamp(max=1)
    return torch.cat([torch.rand(rows, 2) * (1 - sides), sides], 1)
