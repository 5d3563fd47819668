"""numpy arrays that were uploaded: a .npy (C, N, H, W), or a .npz with that or with an array a channel.

An array says nothing of where its voxels lie: it is taken as slices from the lowest up, rows front to back, columns
right to left. A .npz may say in `spacing_mm` how far slices, rows and columns are apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.image_file import read_npy
from glioray.data.nifti_file import MOST_SPACING_MM
from glioray.errors import DataError, UnreadableError
from glioray.serving.volume_file import Place, ScannedVolume, by_channel, channel_places, refuse_large
from glioray.serving.volume_settings import Limits

SPACING = "spacing_mm"


def read_array(
    content: bytes, name: str, channels: Sequence[str], order: Sequence[str], limits: Limits
) -> ScannedVolume:
    """A .npy (C, N, H, W), or (N, H, W) for a model of one channel.

    Raises:
        ModelError: another number of channels.
        DataError: too large.
        UnreadableError: no numbers, or damaged.
    """
    return _scanned(_in_order(read_npy(content, name, (3, 4)), channels, order, name), None, limits, name)


def read_arrays(
    members: Mapping[str, bytes], name: str, channels: Sequence[str], order: Sequence[str], limits: Limits
) -> ScannedVolume:
    """The members of a .npz, with `.npy` at the end of their names; raises as `read_array`."""
    arrays = {member.removesuffix(".npy"): content for member, content in members.items()}
    spacing = _spacing(read_npy(arrays.pop(SPACING), f"{name}: {SPACING}", (1,)), name) if SPACING in arrays else None
    read = {key: read_npy(content, f"{name}: {key}", (3, 4)) for key, content in arrays.items()}
    if len(read) == 1:
        image = _in_order(next(iter(read.values())), channels, order, name)
    else:
        apart = by_channel(read.items(), channels, "array")
        if len({array.shape for array in apart}) > 1 or apart[0].ndim != 3:
            shapes = ", ".join(f"{key} {array.shape}" for key, array in read.items())
            raise DataError(f"{name}: the arrays of a volume are (slices, rows, columns) of one shape; found {shapes}")
        image = np.stack(apart, axis=1)
    return _scanned(image, spacing, limits, name)


def _in_order(array: NDArray[Any], channels: Sequence[str], order: Sequence[str], name: str) -> NDArray[Any]:
    """(N, C, H, W) of (C, N, H, W), or of (N, H, W)."""
    apart = array if array.ndim == 4 else array[None]
    places = channel_places(len(apart), channels, order, name)
    slices_first: NDArray[Any] = apart[places].swapaxes(0, 1)
    return slices_first


def _spacing(values: NDArray[Any], name: str) -> tuple[float, float, float]:
    if values.shape != (3,) or not ((values > 0) & (values <= MOST_SPACING_MM)).all():
        raise UnreadableError(
            f"{name}: {SPACING} is {values[:4].tolist()}; wanted three numbers (slice, row, column), "
            f"over 0 and at most {MOST_SPACING_MM:g} mm."
        )
    return float(values[0]), float(values[1]), float(values[2])


def _scanned(
    image: NDArray[Any], spacing: tuple[float, float, float] | None, limits: Limits, name: str
) -> ScannedVolume:
    refuse_large(image.shape, image.dtype.itemsize, limits, name)
    slice_mm, row_mm, column_mm = spacing or (1.0, 1.0, 1.0)
    # Columns run to the patient's left and rows to the back, which is down in NIfTI's (right, front, up).
    affine = np.diag([-column_mm, -row_mm, slice_mm, 1.0])
    return ScannedVolume(np.ascontiguousarray(image), Place(affine, (0, 2), spacing is not None), spacing)
