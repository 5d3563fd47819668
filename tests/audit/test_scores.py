from __future__ import annotations

import numpy as np
import pytest

from glioray.audit.scores import scores_by_group


def test_accuracies_are_those_counted_by_hand() -> None:
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    scores = scores_by_group(labels, predicted, list("abcd"), 2, "test", 0)
    assert scores["accuracy"].value == pytest.approx(3 / 4)
    assert scores["balanced_accuracy"].value == pytest.approx((2 / 3 + 1) / 2)
    assert (scores["accuracy"].units, scores["accuracy"].unit) == (4, "groups")


def test_copies_make_an_interval_no_narrower() -> None:
    """Twenty answers for each of ten groups tell no more than one for each."""
    labels = np.zeros(10, dtype=np.int64)
    predicted = np.array([0, 1] * 5)
    once = scores_by_group(labels, predicted, list("abcdefghij"), 2, "test", 0)["accuracy"]
    mixed = np.random.default_rng(0).permutation(list("abcdefghij" * 20)).tolist()
    often = scores_by_group(labels.repeat(20), predicted.repeat(20), mixed, 2, "test", 0)["accuracy"]
    copied = scores_by_group(labels.repeat(20), predicted.repeat(20), sorted("abcdefghij" * 20), 2, "test", 0)[
        "accuracy"
    ]
    assert (copied.low, copied.high) == (once.low, once.high)
    assert often.high - often.low < copied.high - copied.low


def test_groups_that_are_all_right_have_no_interval() -> None:
    score = scores_by_group(np.zeros(9, dtype=np.int64), np.zeros(9, dtype=np.int64), list("abcdefghi"), 2, "test", 0)
    assert (score["accuracy"].value, score["accuracy"].ends) == (1, None)


def test_a_class_that_is_not_there_does_not_count_as_missed() -> None:
    scores = scores_by_group(np.array([0, 0]), np.array([0, 0]), ["a", "b"], 3, "test", 0)
    assert scores["balanced_accuracy"].value == 1


def test_an_interval_is_as_wide_as_that_of_as_many_coins() -> None:
    labels, predicted = np.zeros(100, dtype=np.int64), np.array([0, 1] * 50)
    score = scores_by_group(labels, predicted, [f"g{i}" for i in range(100)], 2, "test", 0)["accuracy"]
    assert (score.low, score.high) == pytest.approx((0.4, 0.6), abs=0.011)
