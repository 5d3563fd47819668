"""Many frames in one image, cut to the head: the sheets that the walk moves behind its window.

Shapes: F frames, C channels, S x S prepared pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glioray.data.page.scans import encoded, picture_uri

FRAME_PX = 176
DARKEST_HEAD = 24
QUALITY = 60
MARGIN_PX = 3
Window = tuple[slice, slice]


def head_window(images: NDArray[np.uint8]) -> Window:
    """Rows and columns that hold the head in all frames of all channels (C,F,S,S)."""
    shown = (images > DARKEST_HEAD).sum(axis=(0, 1)) > 0.02 * images.shape[1]
    if not shown.any():
        return slice(0, images.shape[2]), slice(0, images.shape[3])
    spans = []
    for axis, size in ((1, images.shape[2]), (0, images.shape[3])):
        used = np.flatnonzero(shown.any(axis=axis))
        spans.append(slice(max(0, int(used[0]) - MARGIN_PX), min(size, int(used[-1]) + 1 + MARGIN_PX)))
    return spans[0], spans[1]


def grey_sheet(frames: NDArray[np.uint8], window: Window, columns: int) -> str:
    """A WebP of all frames (F,S,S) in lines of `columns`."""
    return picture_uri(_sheet(frames, window, columns, Image.Resampling.LANCZOS), QUALITY)


def label_sheet(masks: NDArray[np.bool_], window: Window, columns: int, color: tuple[int, int, int]) -> str:
    """A PNG of one color where the masks (F,S,S) are set, clear elsewhere."""
    image = Image.fromarray(_sheet(masks.astype(np.uint8), window, columns, Image.Resampling.NEAREST)).convert("P")
    image.putpalette((0, 0, 0, *color))
    return encoded(image, "png", optimize=True, bits=1, transparency=0)


def _sheet(frames: NDArray[np.uint8], window: Window, columns: int, resampling: Image.Resampling) -> NDArray[np.uint8]:
    """All frames (F,S,S), cut to the window and scaled, in lines of `columns`."""
    height, width = _frame_size(window)
    sheet = np.zeros((math.ceil(len(frames) / columns) * height, columns * width), dtype=np.uint8)
    for place, frame in enumerate(frames):
        cut = Image.fromarray(np.ascontiguousarray(frame[window])).resize((width, height), resampling)
        top, left = place // columns * height, place % columns * width
        sheet[top : top + height, left : left + width] = np.array(cut)
    return sheet


def _frame_size(window: Window) -> tuple[int, int]:
    """(height, width) of a frame, the longer side FRAME_PX at most."""
    height, width = (span.stop - span.start for span in window)
    scale = min(1.0, FRAME_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
