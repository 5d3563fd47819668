from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from glioray.serving.drawing import COLORS, HEAT_COLOR, HEAT_OPACITY, grey_picture, heat_overlay, overlay, runs


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0, 1, 4, 255])))
def test_runs_unfold_to_the_mask(mask):
    values, counts = runs(mask)

    np.testing.assert_array_equal(np.repeat(values, counts).reshape(mask.shape), mask)
    assert all(one != other for one, other in itertools.pairwise(values))


def test_a_label_is_drawn_half_in_its_color_and_the_rest_stays_grey():
    grey = np.full((1, 2), 100, dtype=np.uint8)

    picture = overlay(grey, np.array([[0, 2]], dtype=np.uint8), {"edema": 2})

    color = [int(COLORS[0][i : i + 2], 16) for i in (1, 3, 5)]
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[0, 1].tolist() == [round((100 + part) / 2) for part in color]


def test_a_slice_of_several_channels_is_shown_by_its_flair():
    raw = np.stack([np.zeros((4, 4)), np.ones((4, 4))]).astype(np.uint8)

    assert grey_picture(raw, ("t1", "FLAIR")).max() == 1
    assert grey_picture(raw, ("t1", "t2")).max() == 0


def test_a_16_bit_slice_is_stretched_for_the_screen():
    raw = np.linspace(0, 4000, 400).reshape(1, 20, 20).astype(np.uint16)

    picture = grey_picture(raw, ("t1",))

    assert (picture.dtype, picture.min(), picture.max()) == (np.uint8, 0, 255)


def test_the_higher_a_heat_map_the_stronger_its_color_and_where_it_is_zero_the_slice_is_as_it_was():
    grey = np.full((1, 3), 100, dtype=np.uint8)

    picture = heat_overlay(grey, np.array([[0, 0.5, 1]], dtype=np.float32))

    color = np.array([int(HEAT_COLOR[i : i + 2], 16) for i in (1, 3, 5)])
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[0, 2].tolist() == np.rint(100 * (1 - HEAT_OPACITY) + color * HEAT_OPACITY).tolist()
    assert picture[0, 1].tolist() == pytest.approx((picture[0, 0].astype(int) + picture[0, 2]) / 2, abs=0.6)
