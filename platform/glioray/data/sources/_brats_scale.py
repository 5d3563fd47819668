"""Slices that were standardized one by one, put back on the one scale of their volume.

The Kaggle edition gives every slice and sequence a mean of 0 and a spread of 1 of its own, background included, so a
slice with little brain is on another scale than its neighbor. But scans are whole numbers, and stay evenly spaced:
the distance between the values tells the scale, and the corner, which is outside the head, tells the zero.

A few values may have a divisor in common by chance: 300, 450 and 600 look as 2, 3 and 4 do. Of twelve beside zero
that is one case in 4,000 (the zeta function of 12, less 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.sources._brats import CHANNELS
from glioray.errors import UnreadableError

STANDARD = 1e-4  # how near to 0 and 1 a mean and a spread must be
EVEN = 0.05  # of a step: how near to whole numbers the values must come
MOST_PARTS = 32  # of the smallest gap between values: a slice with few values may lack neighbors
ENOUGH_VALUES = 13  # in a slice, zero among them, to know that they have no divisor in common
SAMPLE_EVERY = 5
MOST_VALUE = 2**16


def is_scaled_by_slice(image: NDArray[Any], names: Sequence[str]) -> bool:
    """Whether every slice and channel of (N, C, H, W) that is not empty is standardized by itself.

    Raises:
        UnreadableError: only some are, so that the volume is on no scale at all.
    """
    if image.dtype.kind != "f":
        return False
    filled = [(slice_, channel) for slice_, channel in np.ndindex(image.shape[:2]) if image[slice_, channel].any()]
    apart = [place for place in filled if not _is_standard(image[place])]
    if 0 < len(apart) < len(filled):
        slice_, channel = apart[0]
        raise _lost(
            f"{names[slice_]}: its {CHANNELS[channel]} is not standardized by itself, as {len(filled) - len(apart)} of "
            f"the {len(filled)} pictures of its volume are, so they cannot be put on one scale"
        )
    return bool(filled) and not apart


def restore_scale(image: NDArray[Any], names: Sequence[str]) -> None:
    """Makes each plane of (N, C, H, W) the whole numbers that it was made of, in place.

    Raises:
        UnreadableError: a slice's values are not evenly spaced, or too few to tell, so that its scale is lost.
    """
    for channel, sequence in enumerate(CHANNELS):
        pairs = zip(image[:, channel], names, strict=True)
        _restore_sequence([(plane, f"{name}: its {sequence}") for plane, name in pairs if plane.any()])


def _restore_sequence(planes: Iterable[tuple[NDArray[Any], str]]) -> None:
    """Planes (H, W) and their names; one of few values is sure only if its double would be beyond all others."""
    few = []
    highest = 0.0
    for plane, name in planes:
        num_values = _restored(plane)
        if not num_values:
            raise _lost(f"{name} was scaled apart from the other slices of its volume, and its values do not tell how")
        if num_values < ENOUGH_VALUES:
            few.append((plane, name, num_values))
        else:
            highest = max(highest, float(plane.max()))
    for plane, name, num_values in few:
        if not highest or 2 * plane.max() <= highest:
            raise _lost(
                f"{name} was scaled apart from the other slices of its volume, and {num_values} different values, "
                f"fewer than {ENOUGH_VALUES}, do not tell how"
            )


def _lost(what: str) -> UnreadableError:
    return UnreadableError(
        f"{what}. Take the NIfTI edition, or ask for slice_scale=keep to use the slices as they are."
    )


def _is_standard(plane: NDArray[Any]) -> bool:
    is_centered = abs(plane.mean(dtype=np.float64)) < STANDARD
    return bool(is_centered and abs(plane.std(dtype=np.float64) - 1) < STANDARD)


def _restored(plane: NDArray[Any]) -> int:
    """How many different values told the scale; 0 if they do not, and then the plane is as it was."""
    zero = float(plane[0, 0])
    # Sorting all pixels would take longer than reading them; a few thousand tell as much.
    for every in (SAMPLE_EVERY, 1):
        found = np.unique(plane.ravel()[::every]).astype(np.float64)
        step = _step(found, zero)
        if step is None or (every > 1 and len(found) < ENOUGH_VALUES):
            continue
        values = (plane - zero) / step
        whole = np.rint(values)
        if np.abs(values - whole).max() < EVEN and np.abs(whole).max() < MOST_VALUE:
            plane[:] = whole
            return len(found)
    return 0


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
