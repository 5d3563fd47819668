from __future__ import annotations

import numpy as np
import pytest
import torch

from glioray.evaluation.bootstrap import mean_by_unit
from glioray.evaluation.outlines import Outlined, Outlines
from glioray.evaluation.pool import Pool
from glioray.evaluation.side import CaseKey, SideRows
from glioray.evaluation.volumes import measure, named
from glioray.tasks.segmentation import Segmentation

NAN = float("nan")
TASK = Segmentation({"a": 1}, {}, num_patients=1)
EMPTY = np.zeros((16, 16), dtype=np.uint8)
LESIONS = np.array([[2, 1, 0]])


@pytest.fixture
def volumes(make_segmentation):
    """Patient A with two cases of Dice 1 and 0.5, patient B with one of Dice 0; HD95 of 1, 4 and none."""
    dataset = make_segmentation({"A-1": [EMPTY], "A-2": [EMPTY] * 2, "B": [EMPTY]})
    pool = Pool((SideRows.read(dataset, "test"),))
    pixels = torch.tensor([[[5, 0, 0]], [[1, 1, 0]], [[0, 0, 1]], [[0, 2, 7]]]).double()
    cases = {
        CaseKey(f"test{name[0]}", f"test{name}"): Outlined(np.array([distance]), 0, EMPTY, LESIONS, 0.5)
        for name, distance in (("A-1", 1.0), ("A-2", 4.0), ("B", NAN))
    }
    return measure(TASK, pool, Outlines(pixels, cases, is_in_mm=True))


def test_a_case_is_scored_on_all_of_its_slices(volumes):
    assert volumes.by_case["dice/a"].tolist() == [1.0, 0.5, 0.0]
    assert volumes.slices.tolist() == [1, 2, 1]


def test_a_patient_counts_once_with_the_mean_of_the_cases(volumes):
    assert volumes.by_unit["dice"].tolist() == [0.75, 0.0]
    assert volumes.by_unit["hd95_mm/a"].tolist() == pytest.approx([2.5, NAN], nan_ok=True)


def test_cases_without_a_distance_are_counted(volumes):
    assert (volumes.distances.tolist(), volumes.without_distance.tolist()) == ([2], [1])
    assert volumes.units_with.tolist() == [2]


def test_rates_of_pixels_are_over_all_pixels_of_the_slices(volumes):
    # Each slice has 256 pixels; see the fixture for what is in both, only predicted, only true.
    assert volumes.by_case["fpr/a"].tolist() == [0.0, 1 / (2 * 256 - 2), 2 / (256 - 7)]
    assert volumes.by_case["fnr/a"].tolist() == [0.0, 1 / 2, 1.0]


def test_volumes_are_pixels_times_the_volume_of_a_voxel(volumes):
    assert volumes.sizes_by_case.true["a"].tolist() == [2.5, 1.0, 3.5]
    assert volumes.by_case["volume_error_ml/a"].tolist() == [0.0, 0.0, -2.5]
    assert volumes.sizes.predicted["a"].tolist() == [(2.5 + 1) / 2, 1.0]


def test_lesions_of_a_patients_cases_are_added(volumes):
    assert volumes.lesions.tolist() == [[[4, 2, 0]], [[2, 1, 0]]]
    assert volumes.cases.tolist() == [2, 1]


def test_a_case_where_a_figure_is_not_defined_is_left_out_of_its_patients_mean():
    found = mean_by_unit({"dice": np.array([NAN, 0.5, NAN])}, np.array([0, 0, 1]), num_units=2)

    assert found["dice"].tolist() == pytest.approx([0.5, NAN], nan_ok=True)


def test_means_over_labels_and_over_regions_are_kept_apart():
    task = Segmentation({"a": 1, "b": 2}, {"all": ("a", "b")}, num_patients=1)

    found = named(task, "dice", np.array([[0.2, 0.4, 0.9], [NAN, 0.4, 0.8]]))

    assert {name: values.tolist() for name, values in found.items() if not np.isnan(values).any()} == {
        "dice": pytest.approx([0.3, 0.4]),
        "region_dice": [0.9, 0.8],
        "dice/b": [0.4, 0.4],
        "dice/all": [0.9, 0.8],
    }
