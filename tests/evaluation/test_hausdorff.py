from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance

from glioray.evaluation.hausdorff import bounding_box, hd95


def box(shape: tuple[int, ...], *spans: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


def test_two_boxes_shifted_by_3_px_of_2_mm_are_6_mm_apart():
    one, other = (box((12, 20, 20), (2, 8), (5, 10), (left, left + 6)) for left in (4, 7))

    assert hd95(one, other, (2.0, 2.0, 2.0)) == 6.0
    assert hd95(one, other) == 3.0


def test_each_axis_has_its_own_spacing():
    one, other = (box((12, 12, 12), (top, top + 3), (2, 9), (2, 9)) for top in (2, 4))

    assert hd95(one, other, (5.0, 0.5, 0.5)) == 10.0


def test_a_shift_in_a_slice_is_measured_in_it():
    assert hd95(box((20, 20), (2, 8), (5, 10)), box((20, 20), (6, 12), (5, 10))) == 4.0


def test_a_speck_of_less_than_5_percent_does_not_count_and_a_larger_one_does():
    truth = box((60, 60), (10, 50), (10, 50))  # 156 edge pixels
    far = [box((60, 60), (0, 1), (0, width)) for width in (4, 30)]

    assert hd95(truth | far[0], truth) == 0.0
    assert hd95(truth | far[1], truth) > 9


def test_the_direction_that_is_worse_counts():
    small, large = box((40, 40), (18, 22), (18, 22)), box((40, 40), (10, 30), (10, 30))

    assert hd95(small, large) == hd95(large, small) > 8


def test_it_is_what_monai_gives():
    generator = np.random.default_rng(0)
    one, other = (generator.random((2, 9, 14, 11)) > 0.97).astype(bool)

    distance = compute_hausdorff_distance(
        *(torch.from_numpy(mask)[None, None] for mask in (one, other)),
        include_background=True,
        percentile=95,
        spacing=(3.0, 0.7, 1.1),
    )

    assert hd95(one, other, (3.0, 0.7, 1.1)) == pytest.approx(float(distance), rel=1e-6)


@pytest.mark.parametrize("masks", [(0, 1), (1, 0), (0, 0)])
def test_where_a_mask_is_empty_there_is_no_distance(masks):
    full = box((4, 8, 8), (1, 3), (2, 6), (2, 6))

    assert math.isnan(hd95(*(full & bool(one) for one in masks)))


def test_what_lies_at_the_border_of_the_picture_is_measured_too():
    assert hd95(box((6, 6), (0, 6), (0, 2)), box((6, 6), (0, 6), (0, 5))) == 3.0


def test_a_bounding_box_holds_the_mask_and_no_more():
    mask = box((9, 9, 9), (2, 3), (4, 8), (0, 9))

    assert bounding_box(mask) == (slice(2, 3), slice(4, 8), slice(0, 9))
