from __future__ import annotations

import numpy as np
import pytest
import torch

from glioray.evaluation.segmentation import _chosen_patients, _widest_slice, slice_pixels
from glioray.tasks.segmentation import Segmentation


def test_pixels_are_counted_slice_by_slice():
    task = Segmentation({"a": 1, "b": 2}, {"all": ("a", "b")}, num_patients=1)
    predicted = torch.tensor([[[1, 1]], [[0, 2]]])
    probabilities = torch.stack([predicted == 1, predicted == 2], dim=1).float()
    batch = {"mask": torch.tensor([[[1, 2]], [[0, 0]]], dtype=torch.uint8), "patient_index": torch.tensor([90, 91])}

    pixels = slice_pixels(task, probabilities, batch)

    assert pixels.tolist() == [[[1, 1, 0], [0, 0, 1], [2, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 1, 0]]]


@pytest.mark.parametrize(
    ("dice", "expected"),
    [
        ([0.5, 0.9, 0.1, 0.7], {"worst": 2, "median": 3, "best": 1}),
        ([np.nan, 0.9, 0.1], {"worst": 2, "best": 1}),
        ([0.3, np.nan], {"worst": 0}),
        ([np.nan], {}),
    ],
)
def test_the_patients_to_show_are_the_ends_and_the_middle(dice, expected):
    assert _chosen_patients(np.array(dice)) == expected


def test_the_slice_to_show_has_the_most_tumor_of_its_patient():
    pixels = torch.tensor([[[5, 0, 5]], [[1, 9, 0]], [[2, 0, 1]], [[99, 0, 0]]]).double()

    assert _widest_slice(pixels, torch.tensor([True, True, True, False]), num_labels=1) == 0
    assert _widest_slice(pixels, torch.tensor([False, True, True, False]), num_labels=1) == 2


def test_a_patient_without_tumor_is_shown_where_most_was_predicted():
    pixels = torch.tensor([[[0, 1, 0]], [[0, 8, 0]], [[7, 0, 0]]]).double()

    assert _widest_slice(pixels, torch.tensor([True, True, False]), num_labels=1) == 1
