"""Slices that were standardized one by one, put back on the one scale of their volume.

The Kaggle edition gives every slice and sequence a mean of 0 and a spread of 1 of its own, background included, so a
slice with little brain is on another scale than its neighbor. But scans are whole numbers, and stay evenly spaced:
the distance between the values tells the scale, and the corner, which is outside the head, tells the zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.errors import UnreadableError

STANDARD = 1e-4  # how near to 0 and 1 a mean and a spread must be
EVEN = 0.05  # of a step: how near to whole numbers the values must come
MOST_PARTS = 32  # of the smallest gap between values: a slice with few values may lack neighbors
SAMPLE_EVERY = 5
MOST_VALUE = 2**16


def is_scaled_by_slice(image: NDArray[Any]) -> bool:
    """Whether every slice and channel of (N, C, H, W) is standardized by itself, or empty."""
    if image.dtype.kind != "f":
        return False
    return all(_is_standard(plane) for slice_ in image for plane in slice_)


def restore_scale(image: NDArray[Any], names: Sequence[str]) -> None:
    """Makes each plane of (N, C, H, W) the whole numbers that it was made of, in place.

    Raises:
        UnreadableError: a slice's values are not evenly spaced, so that its scale is lost.
    """
    for slice_, name in zip(image, names, strict=True):
        for plane in slice_:
            if plane.any() and not _restored(plane):
                raise UnreadableError(
                    f"{name}: it was scaled apart from the other slices of its volume, and its values do not tell how. "
                    "Take the NIfTI edition, or ask for slice_scale=keep to use the slices as they are."
                )


def _is_standard(plane: NDArray[Any]) -> bool:
    if abs(plane.mean(dtype=np.float64)) > STANDARD:
        return False
    return abs(plane.std(dtype=np.float64) - 1) < STANDARD or not plane.any()


def _restored(plane: NDArray[Any]) -> bool:
    zero = float(plane[0, 0])
    # Sorting all pixels would take longer than reading them; a few thousand tell as much.
    for every in (SAMPLE_EVERY, 1):
        step = _step(np.unique(plane.ravel()[::every]).astype(np.float64), zero)
        if step is None:
            continue
        values = (plane - zero) / step
        whole = np.rint(values)
        if np.abs(values - whole).max() < EVEN and np.abs(whole).max() < MOST_VALUE:
            plane[:] = whole
            return True
    return False


def _step(values: NDArray[np.float64], zero: float) -> float | None:
    """The largest distance of which all values are multiples from zero; none if there is no such."""
    if len(values) < 2:
        return None
    smallest = float(np.diff(values).min())
    offsets = np.sort(np.abs(values - zero))
    offsets = offsets[offsets > smallest / MOST_PARTS]
    for parts in range(1, MOST_PARTS + 1):
        step = _refined(offsets, smallest / parts)
        multiples = offsets / step
        if np.abs(multiples - np.rint(multiples)).max() < EVEN:
            return step
    return None


def _refined(offsets: NDArray[np.float64], step: float) -> float:
    """Fitted to near offsets first: a small error of the step would be a large one far away."""
    reach = step
    while reach < offsets[-1]:
        reach *= 4
        near = offsets[offsets <= reach]
        multiples = np.rint(near / step)
        if multiples.any():
            step = float((near @ multiples) / (multiples @ multiples))
    return step
