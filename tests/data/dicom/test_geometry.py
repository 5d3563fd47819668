from __future__ import annotations

import nibabel
import numpy as np
import pytest

from glioray.data.dicom.geometry import is_same_grid, make_grid, to_axial
from glioray.errors import DataError

OBLIQUE = tuple(np.round([np.cos(0.3), 0, np.sin(0.3), 0, 1, 0], 12))
CORONAL = (1.0, 0, 0, 0, 0, -1.0)
SAGITTAL = (0, 1.0, 0, 0, 0, -1.0)
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid_of(orientation, distances, spacing_mm=(0.9, 0.8), shape=(6, 5), allow_gaps=False, start=(1.0, 2.0, 3.0)):
    normal = np.cross(orientation[:3], orientation[3:])
    positions = np.array(start) + np.array(distances)[:, None] * normal
    names = [f"s{number}" for number in range(len(distances))]
    return make_grid(positions, orientation, spacing_mm, shape, names, allow_gaps)


def test_the_affine_is_that_of_the_dicom_standard() -> None:
    """PS3.3 C.7.6.2.1.1, by hand: P = S + X * column spacing * j + Y * row spacing * i."""
    grid = grid_of(OBLIQUE, [0, 4, 8, 12])
    place, row, column = 2, 3, 4
    row_direction, column_direction = np.array(OBLIQUE).reshape(2, 3)
    normal = np.array([-np.sin(0.3), 0, np.cos(0.3)])
    by_hand = np.array([1, 2, 3]) + place * 4 * normal + row_direction * 0.8 * column + column_direction * 0.9 * row
    np.testing.assert_allclose((grid.affine @ [place, row, column, 1])[:3], by_hand, atol=1e-9)


def test_spacing_of_oblique_slices_is_along_their_normal() -> None:
    assert grid_of(OBLIQUE, [0, 4, 8, 12]).spacing_mm == pytest.approx((4, 0.9, 0.8))


@pytest.mark.parametrize("orientation", [OBLIQUE, CORONAL, SAGITTAL, (-1.0, 0, 0, 0, -1.0, 0), (0, 1.0, 0, 1.0, 0, 0)])
def test_the_turn_is_that_of_nibabel(orientation) -> None:
    grid = grid_of(orientation, [0, 4, 8, 12])
    values = np.random.default_rng(0).random(grid.shape)
    axial, turn = to_axial(grid)
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, TO_RAS @ grid.affine))
    expected = image.get_fdata()[::-1, ::-1].transpose(2, 1, 0)
    np.testing.assert_array_equal(turn(values), expected)
    right, front, up = (float(size) for size in image.header.get_zooms())
    assert axial.spacing_mm == pytest.approx((up, front, right))


@pytest.mark.parametrize("orientation", [OBLIQUE, CORONAL, SAGITTAL, (-1.0, 0, 0, 0, -1.0, 0)])
def test_a_voxel_keeps_its_place_in_the_patient(orientation) -> None:
    grid = grid_of(orientation, [0, 4, 8, 12])
    axial, turn = to_axial(grid)
    values = np.zeros(grid.shape)
    values[3, 4, 1] = 1
    (at,) = np.argwhere(turn(values))
    np.testing.assert_allclose(axial.affine @ [*at, 1], grid.affine @ [3, 4, 1, 1], atol=1e-9)


def test_a_missing_slice_is_named_with_both_its_neighbors() -> None:
    with pytest.raises(DataError, match=r"1 missing slice.*'s1' and 's2' are 8\.00 mm.*4\.00 mm apart"):
        grid_of(OBLIQUE, [0, 4, 12, 16, 20])


def test_uneven_slices_are_refused() -> None:
    with pytest.raises(DataError, match=r"unevenly apart.*'s2' and 's3' are 3\.00 mm"):
        grid_of(OBLIQUE, [0, 4, 8, 11, 15])


def test_rounded_positions_are_even_enough() -> None:
    assert grid_of(OBLIQUE, [0, 0.67, 1.33, 2.0, 2.66]).spacing_mm[0] == pytest.approx(0.665)


def test_a_gap_that_is_allowed_keeps_the_places_of_the_others() -> None:
    grid = grid_of(OBLIQUE, [0, 4, 12, 16, 20], allow_gaps=True)
    np.testing.assert_allclose(grid.places, [0, 1, 3, 4, 5])
    np.testing.assert_allclose((grid.affine @ [3, 0, 0, 1])[:3], [1 - 12 * np.sin(0.3), 2, 3 + 12 * np.cos(0.3)])


def test_gaps_turned_over_stay_where_they_are() -> None:
    downward = (1.0, 0, 0, 0, -1.0, 0)
    axial, _ = to_axial(grid_of(downward, [0, 4, 12, 16, 20], allow_gaps=True))
    np.testing.assert_allclose(axial.places, [0, 1, 2, 4, 5])
    assert axial.affine[2, 3] == pytest.approx(3 - 20)


def test_gaps_between_sagittal_slices_are_refused_even_if_allowed() -> None:
    with pytest.raises(DataError, match="sagittal"):
        to_axial(grid_of(SAGITTAL, [0, 4, 12, 16, 20], allow_gaps=True))


def test_slices_that_lie_beside_their_line_are_refused() -> None:
    positions = np.array([[0, 0, 0], [2.0, 0, 5], [0, 0, 10], [0, 0, 15]])
    with pytest.raises(DataError, match=r"one line: 'b' is 2\.00 mm"):
        make_grid(positions, (1, 0, 0, 0, 1, 0), (1, 1), (4, 4), list("abcd"))


def test_grids_are_the_same_to_a_tenth_of_a_voxel() -> None:
    grid = grid_of(OBLIQUE, [0, 4, 8])
    assert is_same_grid(grid, grid_of(OBLIQUE, [0, 4, 8], start=(1.01, 2, 3)))
    assert not is_same_grid(grid, grid_of(OBLIQUE, [0, 4, 8], start=(1.5, 2, 3)))
    assert not is_same_grid(grid, grid_of(OBLIQUE, [0, 4.2, 8.4]))
    assert not is_same_grid(grid, grid_of(OBLIQUE, [0, 4, 8], spacing_mm=(0.9, 1.0)))
