"""The figures of whole volumes beside MONAI's, through all that stands between a label map and its score."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_confusion_matrix_metric,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    get_confusion_matrix,
)

from glioray.evaluation.outlines import CaseBook, Outlines, slice_pixels
from glioray.evaluation.pool import Pool
from glioray.evaluation.side import SideRows
from glioray.evaluation.volumes import Volumes, measure
from glioray.tasks.segmentation import Segmentation

TASK = Segmentation({"necrotic": 1, "enhancing": 4}, {"TC": ("necrotic", "enhancing")}, num_patients=1)
SPACING = (3.0, 0.75, 1.25)
SHAPE = (2, 7, 16, 16)  # patients, slices, rows, columns
VALUES = {"necrotic": [1], "enhancing": [4], "TC": [1, 4]}


@pytest.fixture(scope="module")
def maps() -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true label maps, one in eight pixels labeled, half of them in both."""
    generator = np.random.default_rng(0)
    truth = generator.choice(np.array([0, 1, 4], dtype=np.uint8), SHAPE, p=[0.88, 0.07, 0.05])
    other = generator.choice(np.array([0, 1, 4], dtype=np.uint8), SHAPE, p=[0.88, 0.07, 0.05])
    return np.where(generator.random(SHAPE) < 0.5, truth, other), truth


@pytest.fixture
def ours(maps, make_segmentation) -> Volumes:
    _, truth = maps
    dataset = make_segmentation({f"P{n}": list(volume) for n, volume in enumerate(truth)}, spacing_mm=SPACING)
    rows = SideRows.read(dataset, "test")
    book = CaseBook.of(TASK, rows)
    flat = [found.reshape(-1, *SHAPE[2:]) for found in maps]
    book.add(*flat)
    pixels = slice_pixels(TASK, torch.from_numpy(flat[0]), {"mask": torch.from_numpy(flat[1])})
    return measure(TASK, Pool((rows,)), Outlines(pixels, book.done, is_in_mm=True))


@pytest.fixture
def theirs(maps) -> tuple[torch.Tensor, torch.Tensor]:
    """As MONAI takes them: (patients, labels and regions, slices, rows, columns) of zeros and ones."""
    return tuple(
        torch.from_numpy(np.stack([np.isin(found, values) for values in VALUES.values()], axis=1)).float()
        for found in maps
    )


def columns(volumes: Volumes, measure: str) -> np.ndarray:
    return np.column_stack([volumes.by_case[f"{measure}/{name}"] for name in VALUES])


@pytest.mark.parametrize(("measure", "compute"), [("dice", compute_dice), ("iou", compute_iou)])
def test_overlaps_equal_monais(ours, theirs, measure, compute):
    np.testing.assert_allclose(columns(ours, measure), compute(*theirs, include_background=True), rtol=1e-6)


def test_hd95_equals_monais(ours, theirs):
    expected = compute_hausdorff_distance(*theirs, include_background=True, percentile=95, spacing=SPACING)

    np.testing.assert_allclose(columns(ours, "hd95_mm"), expected, rtol=1e-6)


@pytest.mark.parametrize("measure", ["precision", "recall", "fpr", "fnr"])
def test_rates_equal_monais(ours, theirs, measure):
    matrix = get_confusion_matrix(*theirs, include_background=True)

    np.testing.assert_allclose(columns(ours, measure), compute_confusion_matrix_metric(measure, matrix), rtol=1e-6)
