"""What every model must do: find a law, in days, and use or leave out those who lived."""

from __future__ import annotations

import numpy as np
import pytest

from glioray.survival.models import CANDIDATES, Censored, Median, line


def patients(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(count, 3))
    return inputs, np.exp(6 + 0.5 * inputs[:, 0] - 0.3 * inputs[:, 1] + 0.1 * rng.normal(size=count))


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_model_finds_a_plain_law_and_answers_in_days(name: str) -> None:
    inputs, days = patients()
    model = CANDIDATES[name]()
    model.fit(inputs, days, np.ones(len(days), dtype=bool))
    others, truth = patients(seed=1)
    predicted = model.predict(others)
    assert predicted.shape == truth.shape
    assert np.corrcoef(np.log(predicted), np.log(truth))[0, 1] > 0.8
    assert 0.6 < np.median(predicted / truth) < 1.6


@pytest.mark.parametrize("name", ["ridge, alpha 1", "log-normal AFT, penalizer 0.1", "Cox, penalizer 0.1"])
def test_gaps_and_constants_do_no_harm(name: str) -> None:
    inputs, days = patients()
    inputs = np.column_stack([inputs, np.full(len(days), 7.0)])
    inputs[::9, 2] = np.nan
    model = CANDIDATES[name]()
    model.fit(inputs, days, np.ones(len(days), dtype=bool))
    assert np.isfinite(model.predict(inputs)).all()


def test_a_regression_learns_nothing_from_those_who_lived() -> None:
    inputs, days = patients()
    has_died = np.arange(len(days)) % 3 > 0
    one, other = line(), line()
    one.fit(inputs, days, has_died)
    other.fit(inputs, np.where(has_died, days, 1.0), has_died)
    assert np.array_equal(one.predict(inputs), other.predict(inputs))


def test_a_censored_model_knows_that_those_who_lived_live_longer() -> None:
    inputs, days = patients()
    has_died = days < np.quantile(days, 0.6)
    heard = np.minimum(days, np.quantile(days, 0.6))
    regression, censored = line(), CANDIDATES["log-normal AFT, penalizer 0.1"]()
    for model in (regression, censored):
        model.fit(inputs, heard, has_died)
    alive = ~has_died
    assert np.log(censored.predict(inputs)[alive]).mean() > np.log(regression.predict(inputs)[alive]).mean()


def test_days_that_are_never_reached_are_the_longest_seen() -> None:
    class Endless:
        def fit(self, *_: object, **__: object) -> None: ...

        def predict_median(self, table):
            return np.full(len(table), np.inf)

    inputs, days = patients(20)
    model = Censored(Endless())
    model.fit(inputs, days, np.ones(20, dtype=bool))
    assert np.array_equal(model.predict(inputs), np.full(20, days.max()))


def test_the_median_is_of_those_who_died() -> None:
    model = Median()
    model.fit(np.zeros((4, 1)), np.array([10.0, 30.0, 20.0, 9000.0]), np.array([True, True, True, False]))
    assert model.predict(np.zeros((2, 1))).tolist() == [20.0, 20.0]
