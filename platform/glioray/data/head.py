"""Where the head is in a picture, without a fixed grey level.

N slices, C channels, H x W pixels; the search runs on a picture of h x w, at most 128 px a side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

CHUNK = 32  # slices at a time, for the sake of memory
WORK_SIZE_PX = 128  # fine enough for a box, and fast
LEVEL = 0.12  # of the way from the background to the bright tissue
LARGE_PIECE = 0.1  # of the largest piece: what is smaller and far from it is lettering or noise
SKULL_PX = 10  # at the working size: the dark ring of bone between brain and scalp is bridged
OPENING_PX, CLOSING_PX = 2, 2
SMALLEST_HEAD = 0.04  # of the picture; less than that is not a head, and the whole picture is kept
WHITE, WHITE_EDGE = 0.85, 0.25  # a frame is this bright, on this part of the picture's edge
MOST_FRAME = 0.8  # of the picture; more than that is no frame but a bright head


def head_mask(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels that belong to the head, holes filled.

    Args:
        image: (N, C, H, W) of any number type and any scale.

    Returns:
        (N, H, W). A slice in which no head is found is all False; the level is common to all slices, so
        that an empty slice of a volume stays empty.
    """
    small = find_head(image)
    height, width = image.shape[-2:]
    rows = np.arange(height) * small.shape[1] // height
    columns = np.arange(width) * small.shape[2] // width
    found: NDArray[np.bool_] = small.take(rows, axis=1).take(columns, axis=2)
    return found


def find_head(image: NDArray[Any]) -> NDArray[np.bool_]:
    """(N, h, w) mask at the working size, from (N, C, H, W)."""
    small = _small_grey(image)
    inside = np.stack([_inside_frame(slice_) for slice_ in small])
    level = _level(small[inside])
    above = (small > level) & inside
    opened = _dilate(_erode(above, OPENING_PX), OPENING_PX)
    near = _dilate(np.stack([_large_pieces(slice_) for slice_ in opened]), SKULL_PX)
    joined = _close(above & near, CLOSING_PX)
    return np.stack([_filled(slice_) for slice_ in joined])


def head_box(small: NDArray[np.bool_], height: int, width: int) -> tuple[int, int, int, int]:
    """(top, left, height, width) in the picture of a mask (N, h, w); all of it where hardly any is head."""
    flat: NDArray[np.bool_] = np.any(small, axis=0)
    if flat.mean() < SMALLEST_HEAD:
        return 0, 0, height, width
    top, bottom = _extent(np.any(flat, axis=1), height)
    left, right = _extent(np.any(flat, axis=0), width)
    return top, left, bottom - top, right - left


def _extent(occupied: NDArray[np.bool_], length: int) -> tuple[int, int]:
    places = np.flatnonzero(occupied)
    count = len(occupied)
    return int(places[0]) * length // count, -(-(int(places[-1]) + 1) * length // count)


def _small_grey(image: NDArray[Any]) -> NDArray[np.float32]:
    """(N, h, w) in [0, 1]: the channels, each scaled by its own bright tissue, averaged."""
    small = np.concatenate([_small(image[start : start + CHUNK]) for start in range(0, len(image), CHUNK)])
    low = small.min(axis=(0, 2, 3), keepdims=True)
    high = np.percentile(small, 99.5, axis=(0, 2, 3), keepdims=True).astype(np.float32)
    scaled: NDArray[np.float32] = np.clip((small - low) / np.maximum(high - low, 1e-6), 0, 1).mean(axis=1)
    return scaled


def _small(image: NDArray[Any]) -> NDArray[np.float32]:
    """(n, C, h, w) at the working size or below."""
    pixels = torch.from_numpy(image.astype(np.float32))
    height, width = image.shape[-2:]
    scale = WORK_SIZE_PX / max(height, width)
    if scale < 1.0:
        size = [max(1, round(height * scale)), max(1, round(width * scale))]
        pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    small: NDArray[np.float32] = pixels.numpy()
    return small


def _inside_frame(slice_: NDArray[np.float32]) -> NDArray[np.bool_]:
    """False on a white frame that touches the edge, or on the white page around a head."""
    bright = slice_ > WHITE
    if _edge(bright).mean() < WHITE_EDGE:
        return np.ones_like(bright)
    labels, _ = ndimage.label(bright)
    at_edge = np.unique(_edge(labels))
    frame = _dilate(np.isin(labels, at_edge[at_edge > 0])[None], 2)[0]
    return ~frame if frame.mean() < MOST_FRAME else np.ones_like(bright)


def _edge(picture: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _level(pixels: NDArray[np.float32]) -> float:
    """The grey above which a pixel may be head: a part of the way from background to bright tissue."""
    if pixels.size == 0:
        return 1.0
    background, bright = np.percentile(pixels, [2, 98])
    return float(background + LEVEL * (bright - background))


def _large_pieces(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large: NDArray[np.bool_] = (sizes >= LARGE_PIECE * sizes.max())[labels] & mask
    return large


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With its holes: whatever of the background does not reach the edge of the picture."""
    labels, count = ndimage.label(~mask)
    outside = np.zeros(count + 1, dtype=np.bool_)
    outside[_edge(labels)] = True
    outside[0] = False
    filled: NDArray[np.bool_] = ~outside[labels]
    return filled


def _close(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    closed = _erode(_dilate(_padded(mask, radius_px, False), radius_px), radius_px)
    return closed[:, radius_px:-radius_px, radius_px:-radius_px]


def _erode(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """(N, h, w) shrunk by a square; outside the picture there is no head, so a line at its edge goes."""
    return ~_dilate(~mask, radius_px, outside=True)


def _dilate(mask: NDArray[np.bool_], radius_px: int, outside: bool = False) -> NDArray[np.bool_]:
    """(N, h, w) grown by a square of 2 radius + 1: along lines, in steps that double."""
    grown = _padded(mask, radius_px, outside)
    covered, width = 1, 2 * radius_px + 1
    while covered < width:
        step = min(covered, width - covered)
        grown = grown[:, :-step] | grown[:, step:]
        grown = grown[:, :, :-step] | grown[:, :, step:]
        covered += step
    return grown


def _padded(mask: NDArray[np.bool_], width_px: int, value: bool) -> NDArray[np.bool_]:
    count, height, width = mask.shape
    padded = np.full((count, height + 2 * width_px, width + 2 * width_px), value, dtype=np.bool_)
    padded[:, width_px : width_px + height, width_px : width_px + width] = mask
    return padded
