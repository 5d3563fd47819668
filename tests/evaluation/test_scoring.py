from __future__ import annotations

import pytest
import torch

from glioray.evaluation.scoring import Circumstances, Scores, pooled_scores, volume_scores
from glioray.evaluation.volumes import named
from glioray.tasks.classification import NUM_BINS, Classification
from glioray.tasks.segmentation import Segmentation


def of(scores: Scores, name: str):
    return next(score for score in scores.defined if score.name == name)


def scored(task: Segmentation, pixels: torch.Tensor) -> Scores:
    """Of pixels (U,K+R,3), a patient each."""
    measured = task.by_patient({"pixels": pixels})
    by_unit = {name: v for what, values in measured.items() for name, v in named(task, what, values.numpy()).items()}
    return volume_scores(by_unit, groups(len(pixels)))


def bins(confidence: list[float]) -> torch.Tensor:
    """(U,NUM_BINS,2) of the confidence summed by unit, all in one bin, none of it right."""
    found = torch.zeros(len(confidence), NUM_BINS, 2, dtype=torch.float64)
    found[:, 0, 0] = torch.tensor(confidence)
    return found


def groups(units: int) -> Circumstances:
    return Circumstances("test, split by group", units, "groups", seed=5)


def test_pooled_scores_are_the_metrics_of_all_rows_together():
    task = Classification(("a", "b"))
    confusion = torch.tensor([[[3, 1], [0, 0]], [[0, 0], [2, 4]]])
    counts = {"confusion": confusion, "bins": bins([3.2, 4.8])}

    scores = pooled_scores(task, counts, groups(2))

    whole = task.metrics({"confusion": confusion.sum(0).double(), "bins": bins([8])[0]})
    assert {score.name: score.value for score in scores.defined} == pytest.approx(whole)
    assert of(scores, "accuracy").value == 7 / 10


def test_an_interval_of_pooled_scores_runs_over_groups_not_over_rows():
    task = Classification(("a", "b"))
    # One group all right, one all wrong: whatever the number of rows, drawing one of them twice is common.
    confusion = torch.tensor([[[1000, 0], [0, 0]], [[0, 1000], [0, 0]]])

    score = of(pooled_scores(task, {"confusion": confusion, "bins": bins([1, 1])}, groups(2)), "accuracy")

    assert (score.low, score.value, score.high) == (0.0, 0.5, 1.0)


def test_every_score_carries_its_circumstances():
    counts = {"confusion": torch.eye(2).expand(3, 2, 2), "bins": bins([1, 1, 1])}

    for score in pooled_scores(Classification(("a", "b")), counts, groups(3)).defined:
        assert (score.split, score.units, score.unit, score.seed) == ("test, split by group", 3, "groups", 5)


def test_one_unit_has_a_value_and_no_interval():
    counts = {"confusion": torch.eye(2)[None], "bins": bins([1])}

    score = of(pooled_scores(Classification(("a", "b")), counts, groups(1)), "accuracy")

    assert (score.value, score.low, score.high) == (1.0, None, None)


def test_volume_scores_are_mean_and_median_over_patients():
    task = Segmentation({"a": 1}, {}, num_patients=3)
    pixels = torch.tensor([[[1, 0, 1]], [[1, 1, 0]], [[9, 1, 1]]]).double()

    scores = scored(task, pixels)

    dice = [2 / 3, 2 / 3, 0.9]
    assert of(scores, "dice/a").value == pytest.approx(sum(dice) / 3)
    assert of(scores, "median_dice/a").value == pytest.approx(2 / 3)
    assert of(scores, "iou/a").value == pytest.approx((0.5 + 0.5 + 9 / 11) / 3)
    assert of(scores, "precision/a").value == pytest.approx((1 + 0.5 + 0.9) / 3)
    assert of(scores, "recall/a").value == pytest.approx((0.5 + 1 + 0.9) / 3)
    assert of(scores, "dice/a").low < of(scores, "dice/a").value < of(scores, "dice/a").high


def test_the_mean_over_labels_leaves_regions_out():
    task = Segmentation({"a": 1, "b": 2}, {"all": ("a", "b")}, num_patients=2)
    pixels = torch.tensor([[[1, 0, 0], [0, 1, 0], [1, 0, 9]]] * 2).double()

    assert of(scored(task, pixels), "dice").value == 0.5


def test_volume_means_equal_the_metrics_that_training_logs():
    task = Segmentation({"a": 1, "b": 2}, {"all": ("a", "b")}, num_patients=6)
    pixels = torch.randint(0, 9, (6, 3, 3), generator=torch.Generator().manual_seed(0)).double()

    scores = scored(task, pixels)

    assert {name: of(scores, name).value for name in task.metrics({"pixels": pixels})} == pytest.approx(
        task.metrics({"pixels": pixels})
    )


def test_a_label_that_is_nowhere_is_undefined_and_costs_nothing():
    task = Segmentation({"a": 1, "b": 2}, {}, num_patients=2)
    pixels = torch.tensor([[[5, 0, 0], [0, 0, 0]]] * 2).double()

    scores = scored(task, pixels)

    assert of(scores, "dice").value == 1.0
    assert "dice/b" in scores.undefined
    assert "median_recall/b" in scores.undefined


def test_a_score_says_how_many_patients_have_it():
    task = Segmentation({"a": 1, "b": 2}, {}, num_patients=3)
    pixels = torch.tensor([[[5, 0, 0], [0, 0, 0]], [[5, 0, 0], [1, 0, 0]], [[5, 0, 0], [0, 0, 0]]]).double()

    scores = scored(task, pixels)

    assert (of(scores, "dice/a").units, of(scores, "dice/b").units, of(scores, "median_dice/b").units) == (3, 1, 1)


def test_a_figure_of_one_patient_has_no_interval_however_many_others_there_are():
    task = Segmentation({"a": 1, "b": 2}, {}, num_patients=3)
    pixels = torch.tensor([[[5, 1, 0], [0, 0, 0]], [[5, 0, 2], [1, 1, 0]], [[5, 0, 0], [0, 0, 0]]]).double()

    scores = scored(task, pixels)

    assert (of(scores, "dice/b").low, of(scores, "dice/b").high) == (None, None)
    assert of(scores, "dice/a").low is not None
