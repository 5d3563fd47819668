from __future__ import annotations

import pytest
import torch

from glioray.evaluation.answers import Answers
from glioray.evaluation.classification import counts_by_unit, units_by_figure
from glioray.tasks.classification import Classification

TASK = Classification(("a", "b"))
ANSWERS = Answers(
    truth=torch.tensor([0, 0, 1, 1]),
    probabilities=torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]]),
    logits=torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [3.0, 2.5]]),
)


def test_counts_are_kept_apart_by_unit():
    counts = counts_by_unit(TASK, ANSWERS, torch.tensor([0, 2, 2, 0]), num_units=3)

    assert counts["confusion"].tolist() == [[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 1]]]
    assert counts["bins"].sum(1).tolist() == [pytest.approx(unit) for unit in ([1.5, 1], [0, 0], [1.5, 1])]


def test_counts_of_all_units_are_those_that_training_logs():
    ours = counts_by_unit(TASK, ANSWERS, torch.tensor([0, 1, 2, 0]), num_units=3)
    theirs = TASK.counts(ANSWERS.probabilities, {"label": ANSWERS.truth})

    assert torch.equal(ours["confusion"].sum(0), theirs["confusion"])
    torch.testing.assert_close(ours["bins"].sum(0), theirs["bins"])


def test_an_answer_is_its_most_probable_class():
    assert ANSWERS.predicted.tolist() == [0, 1, 1, 0]
    assert ANSWERS.is_right.tolist() == [True, False, True, False]
    assert ANSWERS.confidence.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_a_recall_is_over_the_units_of_the_class_and_a_precision_over_those_it_was_said_of():
    confusion = torch.tensor([[[3, 1], [0, 0]], [[2, 0], [0, 0]], [[0, 0], [4, 4]]])

    units = units_by_figure(Classification(("a", "b")), confusion)

    assert units == {"recall/a": 2, "recall/b": 1, "precision/a": 3, "precision/b": 2}
