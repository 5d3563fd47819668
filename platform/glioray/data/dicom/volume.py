"""A series as an axial volume, and a volume on the grid of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from glioray.data.dicom.geometry import Grid, to_axial
from glioray.data.dicom.pixels import read_frames
from glioray.data.dicom.series import Series
from glioray.errors import DataError, UnreadableError

LEAST_COVERED = 0.5


@dataclass(frozen=True, eq=False)
class Volume:
    """values (N, H, W): slices from the lowest up, rows front to back, columns from the patient's right to left.

    `names` are the files of the slices; the same for all where slices were cut anew, from sagittal or coronal ones.
    """

    values: NDArray[Any]
    grid: Grid
    names: tuple[str, ...]


def axial_grid(series: Series) -> Grid:
    """The grid that `read_volume` gives, from headers alone.

    Raises:
        DataError: the series is no volume.
    """
    if series.grid is None:
        raise DataError(f"{series.title}: {series.problem or 'it is no stack of slices'}.")
    return to_axial(series.grid)[0]


def read_volume(series: Series) -> Volume:
    """The pixels of a series, turned to the nearest axial view.

    Raises:
        UnreadableError: the series is no volume, or a file is damaged.
    """
    if series.grid is None:
        raise UnreadableError(f"{series.names[0]}: {series.problem or 'it is no stack of slices'}.")
    grid, turn = to_axial(series.grid)
    names = [frame.name for frame in series.frames]
    if not turn.keeps_slices:
        names = [series.names[0]] * grid.shape[0]
    elif 0 in turn.reversed_axes:
        names.reverse()
    return Volume(turn(read_frames(series.frames)), grid, tuple(names))


def resample(volume: Volume, grid: Grid) -> NDArray[np.float32]:
    """(N, H, W) of another grid, linear between voxels; its lowest value where the volume does not reach.

    Raises:
        DataError: it covers less than half of the grid.
    """
    result = np.empty(grid.shape, dtype=np.float32)
    to_volume = np.linalg.inv(volume.grid.affine) @ grid.affine
    ends = np.array(volume.grid.shape, dtype=np.float64)[:, None, None] - 1
    covered = 0
    for number, place in enumerate(grid.places):
        at = _at(to_volume, place, grid.shape[1:])
        at[0] = _slice_numbers(at[0], volume.grid.places)
        # A voxel reaches half its size beyond its center: there the outermost value holds.
        is_inside = ((at >= -0.5) & (at <= ends + 0.5)).all(axis=0)
        result[number] = map_coordinates(volume.values, at.clip(0, ends), output=np.float32, order=1, mode="nearest")
        result[number][~is_inside] = volume.values.min()
        covered += int(is_inside.sum())
    if covered < LEAST_COVERED * result.size:
        raise DataError(f"it covers {covered / result.size:.0%} of the voxels wanted ({volume.grid}; wanted {grid})")
    return result


def _at(to_volume: NDArray[np.float64], place: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(3, H, W): the index in the volume (place, row, column) of each voxel of one slice."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    start = to_volume[:3, 0] * place + to_volume[:3, 3]
    at: NDArray[np.float64] = (
        start[:, None, None] + to_volume[:3, 1, None, None] * rows + to_volume[:3, 2, None, None] * columns
    )
    return at


def _slice_numbers(places: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where slices are missing, a place between two lies as far between their numbers."""
    numbers = np.interp(places, known, np.arange(len(known)))
    below, above = np.minimum(places - known[0], 0), np.maximum(places - known[-1], 0)
    outside: NDArray[np.float64] = numbers + below + above
    return outside
