"""Where the voxels of a stack lie, and the turn to the nearest axial view.

Positions are in mm of the patient as DICOM has them: to the left, to the back, up. An array whose slices go up,
rows to the back and columns to the left therefore has growing positions on all three axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from glioray.errors import DataError

Floats = NDArray[np.float64]
# Of the distance between slices: scanners round positions, and 3 % moves no slice by a voxel.
UNEVEN = 0.03
CROOKED_MM = 0.5
SAME_PLACE_MM = 0.05
PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels (N, H, W): affine (4, 4) takes (place, row, column, 1) to mm (left, back, up).

    `places` (N,) are 0, 1, 2, ... unless slices are missing: then a slice's place is its distance from the first
    in units of the spacing.
    """

    shape: tuple[int, int, int]
    affine: Floats
    spacing_mm: tuple[float, float, float]
    places: Floats

    @property
    def plane(self) -> str:
        """axial, coronal or sagittal: the nearest to its slices."""
        return PLANES[int(io_orientation(self.affine)[0, 0])]

    @property
    def has_gaps(self) -> bool:
        """Whether slices are missing."""
        return bool(np.abs(np.diff(self.places) - 1).max(initial=0) > UNEVEN)

    def __str__(self) -> str:
        size = " x ".join(str(length) for length in self.shape)
        spacing = " x ".join(f"{length:.3g}" for length in self.spacing_mm)
        origin = ", ".join(f"{part:.1f}" for part in self.affine[:3, 3])
        return f"{size} voxels of {spacing} mm from ({origin}) mm, {self.plane}"


@dataclass(frozen=True)
class Turn:
    """How an array is turned: first its axes are ordered so, then some of them reversed."""

    axes: tuple[int, ...]
    reversed_axes: tuple[int, ...]

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """The array turned, in one piece of memory."""
        return np.ascontiguousarray(np.flip(values.transpose(self.axes), self.reversed_axes))

    @property
    def keeps_slices(self) -> bool:
        """Whether a slice of the file is still a slice after the turn."""
        return self.axes[0] == 0


def along_normal(positions: Floats, orientation: Sequence[float]) -> Floats:
    """(N,) mm of each slice along the normal of its plane."""
    row_direction, column_direction = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
    normal = np.cross(row_direction, column_direction)
    distances: Floats = positions @ (normal / np.linalg.norm(normal))
    return distances


def make_grid(
    positions: Floats,
    orientation: Sequence[float],
    spacing_mm: Sequence[float],
    shape: tuple[int, int],
    names: Sequence[str],
    allow_gaps: bool = False,
) -> Grid:
    """The grid of slices that are in order along their normal.

    Args:
        positions: (N, 3) centers of the first pixel, mm.
        orientation: direction of a row, then of a column.
        spacing_mm: from row to row, from column to column.
        shape: rows, columns.
        names: (N,) files, to say where a slice is missing.
        allow_gaps: take slices that are not evenly apart.

    Raises:
        DataError: a slice is missing, or they do not lie on one line.
    """
    distances = along_normal(positions, orientation)
    step_mm, places = _places(distances, names, allow_gaps)
    step = (positions[-1] - positions[0]) / places[-1]
    _refuse_crooked(positions, step, places, names)
    row_direction, column_direction = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
    affine = np.eye(4)
    # From row to row one moves along a column, and the other way round.
    affine[:3, :3] = np.stack([step, column_direction * spacing_mm[0], row_direction * spacing_mm[1]], axis=1)
    affine[:3, 3] = positions[0]
    return Grid((len(positions), *shape), affine, (step_mm, float(spacing_mm[0]), float(spacing_mm[1])), places)


def to_axial(grid: Grid) -> tuple[Grid, Turn]:
    """The nearest axial view, as nibabel's as_closest_canonical takes it, and the turn that leads there.

    Raises:
        DataError: slices are missing, and would be rows or columns after the turn.
    """
    nearest = io_orientation(grid.affine)
    axes = tuple(int(np.flatnonzero(nearest[:, 0] == world)[0]) for world in (2, 1, 0))
    turn = Turn(axes, tuple(place for place, axis in enumerate(axes) if nearest[axis, 1] < 0))
    if grid.has_gaps and not turn.keeps_slices:
        raise DataError(f"slices are missing, and {grid.plane} slices are turned to axial ones: gaps cannot be allowed")
    columns, origin, places = grid.affine[:3, list(axes)], grid.affine[:3, 3].copy(), grid.places
    shape = tuple(grid.shape[axis] for axis in axes)
    for place in turn.reversed_axes:
        last = grid.places[-1] if axes[place] == 0 else shape[place] - 1
        origin += columns[:, place] * last
        columns[:, place] *= -1
    if not turn.keeps_slices:
        places = np.arange(shape[0], dtype=np.float64)
    elif 0 in turn.reversed_axes:
        places = places[-1] - places[::-1]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns, origin
    spacing = tuple(grid.spacing_mm[axis] for axis in axes)
    return Grid((shape[0], shape[1], shape[2]), affine, (spacing[0], spacing[1], spacing[2]), places), turn


def is_same_grid(one: Grid, other: Grid) -> bool:
    """Whether each voxel of one lies where the other's does, to a tenth of a voxel."""
    if one.shape != other.shape or np.abs(one.places - other.places).max() > 0.1:
        return False
    height, width = one.shape[1:]
    ends = np.array([(p, row, column, 1) for p in one.places[[0, -1]] for row in (0, height) for column in (0, width)])
    apart_mm = np.linalg.norm((one.affine - other.affine) @ ends.T, axis=0).max()
    return bool(apart_mm <= 0.1 * min(one.spacing_mm))


def _places(distances: Floats, names: Sequence[str], allow_gaps: bool) -> tuple[float, Floats]:
    """The distance between slices, mm, and each slice's place in units of it."""
    steps = np.diff(distances)
    # The lower of two middle ones: of 5 and 10 mm it is 10 that has the gap.
    step_mm = float(np.percentile(steps, 50, method="lower"))
    uneven = np.flatnonzero(np.abs(steps - step_mm) > UNEVEN * step_mm)
    if not len(uneven):
        return float(steps.mean()), np.arange(len(distances), dtype=np.float64)
    if not allow_gaps:
        raise DataError(_name_gap(steps, step_mm, uneven, names))
    return step_mm, (distances - distances[0]) / step_mm


def _name_gap(steps: Floats, step_mm: float, uneven: NDArray[np.int64], names: Sequence[str]) -> str:
    at = int(uneven[np.abs(steps[uneven] - step_mm).argmax()])
    missing = round(steps[at] / step_mm) - 1
    what = f"{missing} missing slice(s)" if missing > 0 else "slices unevenly apart"
    return (
        f"{what}: between {names[at]!r} and {names[at + 1]!r} are {steps[at]:.2f} mm, where slices are "
        f"{step_mm:.2f} mm apart ({len(uneven)} uneven steps in {len(names)} slices). "
        "Add the missing slices, or allow gaps"
    )


def _refuse_crooked(positions: Floats, step: Floats, places: Floats, names: Sequence[str]) -> None:
    aside_mm = np.linalg.norm(positions - positions[0] - places[:, None] * step, axis=1)
    if aside_mm.max() > CROOKED_MM:
        at = int(aside_mm.argmax())
        raise DataError(f"the slices do not lie on one line: {names[at]!r} is {aside_mm[at]:.2f} mm beside it")
