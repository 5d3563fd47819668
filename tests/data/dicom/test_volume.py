from __future__ import annotations

import numpy as np
import pytest

from glioray.data.dicom.geometry import make_grid
from glioray.data.dicom.series import find_series
from glioray.data.dicom.volume import Volume, read_volume, resample
from glioray.errors import DataError, UnreadableError

AXIAL = (1.0, 0, 0, 0, 1.0, 0)


def grid_of(distances, spacing_mm=(1.0, 1.0), shape=(8, 6), start=(0.0, 0.0, 0.0), orientation=AXIAL):
    normal = np.cross(orientation[:3], orientation[3:])
    positions = np.array(start) + np.array(distances, dtype=float)[:, None] * normal
    return make_grid(positions, orientation, spacing_mm, shape, [""] * len(distances), allow_gaps=True)


def height_of(grid):
    """A volume whose values say where each voxel lies: x + 10 y + 100 z, mm."""
    place = grid.places[:, None, None]
    row, column = np.mgrid[: grid.shape[1], : grid.shape[2]]
    x, y, z = (
        grid.affine[axis, 0] * place + grid.affine[axis, 1] * row + grid.affine[axis, 2] * column + grid.affine[axis, 3]
        for axis in range(3)
    )
    return Volume((x + 10 * y + 100 * z).astype(np.float64), grid, ("",) * grid.shape[0])


@pytest.mark.parametrize(
    "source",
    [
        grid_of([0, 2, 4, 6], spacing_mm=(0.5, 0.5), shape=(20, 20)),
        grid_of([0, 2, 6, 8], spacing_mm=(0.7, 0.9), shape=(20, 20)),
        grid_of([0, 3, 6, 9], start=(-3, -2, -1), shape=(20, 20), orientation=(0.96, 0.28, 0, -0.28, 0.96, 0)),
    ],
    ids=["finer", "gap", "turned"],
)
def test_a_linear_field_is_the_same_on_another_grid(source) -> None:
    wanted = grid_of([1, 2, 4, 5], shape=(6, 5), start=(1, 1, 0))
    np.testing.assert_allclose(resample(height_of(source), wanted), height_of(wanted).values, atol=1e-2)


def test_what_the_volume_does_not_reach_is_its_lowest_value() -> None:
    volume = height_of(grid_of([0, 1, 2, 3], start=(0, 0, 5)))
    moved = resample(volume, grid_of([0, 1, 2, 3], start=(2, 0, 5)))
    assert (moved[:, :, 4:] == volume.values.min()).all()
    np.testing.assert_allclose(moved[:, :, :4], volume.values[:, :, 2:])


def test_an_end_slice_reaches_half_its_thickness() -> None:
    """BRAINIX: the T1 lies half a millimeter lower than the FLAIR, which must not lose its last slice."""
    volume = height_of(grid_of([0, 6, 12]))
    raised, lowered = (resample(volume, grid_of([0, 6, 12], start=(0, 0, z))) for z in (0.5, -0.5))
    np.testing.assert_allclose(raised[2], volume.values[2])
    np.testing.assert_allclose(lowered[0], volume.values[0])


def test_a_sequence_of_another_part_of_the_body_is_refused() -> None:
    with pytest.raises(DataError, match="it covers 25% of the voxels"):
        resample(height_of(grid_of([0, 1, 2, 3])), grid_of([0, 1, 2, 3], start=(0, 0, 3)))


def test_slices_written_from_the_head_down_are_returned_from_the_feet_up(tmp_path, write_series) -> None:
    downward = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    pixels = write_series(orientation=downward)
    volume = read_volume(find_series(tmp_path).series[0])
    np.testing.assert_array_equal(volume.values, pixels[::-1, ::-1])
    assert volume.names[0] == "scan/IM09_T1"
    assert volume.grid.affine[2, 0] == pytest.approx(5.0)


def test_a_series_that_is_no_volume_is_refused_by_name(tmp_path, write_series) -> None:
    write_series(pixels=np.zeros((2, 12, 10), np.uint16))
    with pytest.raises(UnreadableError, match=r"^scan/IM03_T1: only 2 slices"):
        read_volume(find_series(tmp_path).series[0])
