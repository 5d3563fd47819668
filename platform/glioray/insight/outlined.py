"""A mask over its slice: filled lightly, with an outline that is one pixel of the screen wide.

Shapes: H x W pixels, s x s screen pixels for each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from skimage.segmentation import find_boundaries

from glioray.serving.drawing import colors_of, overlay

FILL = 0.3
Pixels = NDArray[np.uint8]


def enlargement(shape: tuple[int, ...], wanted_px: int) -> int:
    """How often each pixel of (..., H, W) is repeated, so that a slice is about so large; 1 or more."""
    return max(1, round(wanted_px / max(shape[-2:])))


def outlined(grey: Pixels, mask: Pixels, labels: dict[str, int], times: int = 1) -> Pixels:
    """(sH,sW,3): the slice (H,W), enlarged smoothly, with each label of its mask (H,W) filled and outlined."""
    height, width = grey.shape
    large = np.asarray(Image.fromarray(grey).resize((width * times, height * times), Image.Resampling.BICUBIC))
    fine = mask.repeat(times, axis=0).repeat(times, axis=1)
    picture = overlay(large, fine, labels, FILL)
    for name, color in colors_of(labels).items():
        edge = find_boundaries(fine == labels[name], mode="inner")
        picture[edge] = ImageColor.getrgb(color)
    return picture
