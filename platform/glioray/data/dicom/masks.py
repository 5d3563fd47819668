"""Label maps on the grid of an image: a series of slices, or a DICOM segmentation object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glioray.data.dicom.geometry import Grid, is_same_grid
from glioray.data.dicom.headers import Frame
from glioray.data.dicom.pixels import read_frames
from glioray.data.dicom.series import Series
from glioray.data.dicom.volume import axial_grid, read_volume
from glioray.errors import DataError, UnreadableError

OFF_GRID = 0.1


def is_on_grid(mask: Series, grid: Grid) -> bool:
    """Whether the voxels of a mask lie on those of an axial grid, by headers alone."""
    if not mask.is_segmentation:
        return is_same_grid(axial_grid(mask), grid)
    try:
        corners = np.array([[0, 0], [mask.frames[0].encoding.rows - 1, mask.frames[0].encoding.columns - 1]])
        for frame in mask.frames:
            _indices(frame, corners, grid)
    except (DataError, IndexError):
        return False
    return True


def refuse_segments(mask: Series, labels: Sequence[str]) -> None:
    """Refuses a segmentation object whose segments are not the labels asked for."""
    if mask.is_segmentation:
        _label_of_segment(mask, labels)


def read_label_map(mask: Series, grid: Grid, labels: Sequence[str]) -> NDArray[np.uint8]:
    """(N, H, W): 0 and 1..K in the order of the labels; with one label, everything that is not 0.

    Raises:
        UnreadableError: it lies on another grid, holds other values, or two segments overlap.
    """
    try:
        return _from_segments(mask, grid, labels) if mask.is_segmentation else _from_slices(mask, grid, labels)
    except UnreadableError:
        raise
    except DataError as error:
        raise UnreadableError(f"{mask.names[0]}: {error}.") from None


def _from_slices(mask: Series, grid: Grid, labels: Sequence[str]) -> NDArray[np.uint8]:
    volume = read_volume(mask)
    if not is_same_grid(volume.grid, grid):
        raise DataError(f"the mask has {volume.grid}; its image has {grid}")
    if len(labels) == 1:
        return (volume.values > 0).astype(np.uint8)
    strange = sorted(set(np.unique(volume.values).tolist()) - set(range(len(labels) + 1)))
    if strange:
        raise DataError(f"the mask holds {strange[0]!r}; wanted 0 and 1..{len(labels)} for {', '.join(labels)}")
    return volume.values.astype(np.uint8)


def _from_segments(mask: Series, grid: Grid, labels: Sequence[str]) -> NDArray[np.uint8]:
    label_of = _label_of_segment(mask, labels)
    result = np.zeros(grid.shape, dtype=np.uint8)
    for frame, pixels in zip(mask.frames, read_frames(mask.frames), strict=True):
        label = label_of[frame.segment or 0]
        at = _indices(frame, np.argwhere(pixels), grid)
        if np.any((result[at] != 0) & (result[at] != label)):
            raise DataError("two segments overlap; a label map holds one label a voxel. Keep them apart")
        result[at] = label
    return result


def _label_of_segment(mask: Series, labels: Sequence[str]) -> dict[int, int]:
    names = dict(mask.segments)
    missing = sorted({frame.segment or 0 for frame in mask.frames} - set(names))
    if missing or not mask.frames:
        raise DataError(f"its frames name segments {missing}, which it does not describe")
    if len(names) == len(labels) == 1:
        return dict.fromkeys(names, 1)
    wanted = {label.casefold(): number + 1 for number, label in enumerate(labels)}
    unknown = [name for name in names.values() if name.casefold() not in wanted]
    if unknown:
        raise DataError(
            f"it has the segments {sorted(names.values())}, and {unknown[0]!r} is none of the labels {list(labels)}. "
            "Name all of them in `label`"
        )
    return {number: wanted[name.casefold()] for number, name in names.items()}


def _indices(frame: Frame, pixels: NDArray[np.int64], grid: Grid) -> tuple[NDArray[np.int64], ...]:
    """Slice, row and column in the grid of each (row, column) of a frame."""
    if frame.position is None or frame.orientation is None or frame.spacing_mm is None:
        raise DataError(f"{frame.title!r} does not say where it lies")
    row_direction, column_direction = np.asarray(frame.orientation).reshape(2, 3)
    steps = np.stack([column_direction * frame.spacing_mm[0], row_direction * frame.spacing_mm[1]])
    positions = np.asarray(frame.position) + pixels @ steps
    exact = (positions - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T
    exact[:, 0] = np.interp(exact[:, 0], grid.places, np.arange(len(grid.places)), left=-1, right=len(grid.places))
    nearest = np.rint(exact).astype(np.int64)
    if len(pixels) and (
        np.abs(exact - nearest).max() > OFF_GRID or (nearest < 0).any() or (nearest >= grid.shape).any()
    ):
        raise DataError(f"{frame.title!r} lies beside the voxels of its image ({grid})")
    return tuple(nearest.T)
