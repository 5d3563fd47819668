"""Nobody is predicted by what has seen them, and the inner folds choose."""

from __future__ import annotations

import numpy as np
import pytest

from glioray.errors import ModelError
from glioray.survival.models import Median, line
from glioray.survival.nested import OUTER_FOLDS, Times, cross_validated, folds


class Spy:
    """Remembers whom it was fitted on by the first feature, and refuses to meet them again."""

    def fit(self, inputs, days, has_died) -> None:
        self.seen = set(inputs[:, 0].tolist())

    def predict(self, inputs):
        assert not self.seen & set(inputs[:, 0].tolist())
        return 100 + inputs[:, 0]


class Broken:
    def fit(self, inputs, days, has_died) -> None:
        raise ValueError("did not converge")

    def predict(self, inputs):
        raise AssertionError


def times(count: int = 40, groups: tuple[str, ...] | None = None) -> Times:
    days = np.exp(np.random.default_rng(0).normal(6, 0.5, count))
    return Times(days, np.arange(count) % 7 > 0, groups or tuple(f"P{i}" for i in range(count)))


def test_each_patient_is_predicted_once_and_unseen() -> None:
    numbers = np.arange(40.0)[:, None]
    found = cross_validated(numbers, (numbers,), times(), {"one": Spy, "other": Spy})
    assert np.array_equal(found.days[0], 100 + numbers[:, 0])
    assert len(found.chosen) == OUTER_FOLDS


def test_patients_of_one_group_are_on_one_side() -> None:
    groups = tuple(f"G{i // 4}" for i in range(40))
    for train, test in folds(groups, 5, seed=3):
        assert not {groups[i] for i in train} & {groups[i] for i in test}


def test_another_seed_makes_other_folds_and_the_same_seed_the_same() -> None:
    names = times().groups
    assert list(folds(names, 5, 1)) == list(folds(names, 5, 1))
    assert list(folds(names, 5, 1)) != list(folds(names, 5, 2))


def test_the_inner_folds_choose_the_model_that_predicts() -> None:
    known = times()
    inputs = np.log(known.days)[:, None]
    found = cross_validated(inputs, (inputs,), known, {"median": Median, "line": line})
    assert found.chosen == ("line",) * OUTER_FOLDS
    assert found.days[0] == pytest.approx(known.days)


def test_other_inputs_are_answered_by_the_model_that_learned_from_the_first() -> None:
    known = times()
    inputs = np.log(known.days)[:, None]
    found = cross_validated(inputs, (inputs, inputs + np.log(2)), known, {"line": line})
    assert found.days[1] == pytest.approx(2 * known.days)


def test_a_model_that_cannot_be_fitted_is_passed_over() -> None:
    known = times()
    inputs = np.log(known.days)[:, None]
    assert cross_validated(inputs, (inputs,), known, {"broken": Broken, "line": line}).chosen == ("line",) * OUTER_FOLDS


def test_no_model_at_all_says_why() -> None:
    with pytest.raises(ModelError, match="none of 1 models can be fitted on 32 patients.*did not converge"):
        cross_validated(np.zeros((40, 1)), (), times(), {"broken": Broken})
