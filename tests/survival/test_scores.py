"""BraTS' scores by hand, the concordance index beside that of lifelines."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.utils import concordance_index
from scipy.stats import spearmanr

from glioray.evaluation.bootstrap import interval
from glioray.survival.nested import Times
from glioray.survival.scores import c_index, classes, figures


def times(days: list[float], has_died: list[bool] | None = None) -> Times:
    count = len(days)
    died = np.array(has_died) if has_died else np.ones(count, dtype=bool)
    return Times(np.array(days, dtype=float), died, tuple(map(str, range(count))))


def test_classes_part_at_300_and_450_days() -> None:
    assert classes(np.array([299.9, 300, 450, 450.1])).tolist() == [0, 1, 1, 2]


def test_errors_are_counted_by_hand() -> None:
    found = figures(np.array([100.0, 400.0, 500.0, 200.0]), times([110, 400, 400, 500]))
    # Squared errors 100, 0, 10,000 and 90,000; the first two in the right class.
    assert found["accuracy"][0] == 0.5
    assert found["mse_days2"][0] == 25_025
    assert found["median_se_days2"][0] == 5_050
    assert found["std_se_days2"][0] == pytest.approx(np.std([100, 0, 10_000, 90_000]))


def test_r2_is_1_of_the_truth_and_0_of_its_geometric_mean() -> None:
    truth = times([100, 200, 400])
    assert figures(truth.days, truth)["r2_log_days"][0] == 1
    assert figures(np.full(3, 200.0), truth)["r2_log_days"][0] == pytest.approx(0)


def test_spearman_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = rng.integers(50, 90, 60).astype(float), times(rng.integers(50, 900, 60).tolist())
    assert figures(predicted, truth)["spearman_r"][0] == pytest.approx(spearmanr(predicted, truth.days).statistic)


def test_those_who_lived_are_in_the_concordance_index_alone() -> None:
    known = times([100, 200, 300, 350], [True, True, True, False])
    one, other = (figures(np.array([100.0, 200.0, 300.0, last]), known) for last in (150.0, 400.0))
    assert one["accuracy"][0] == other["accuracy"][0]
    assert one["mse_days2"][0] == other["mse_days2"][0] == 0
    assert one["c_index"][0] == pytest.approx(4 / 6)
    assert other["c_index"][0] == 1


def test_concordance_index_is_that_of_lifelines_with_ties_and_living() -> None:
    rng = np.random.default_rng(1)
    days, predicted = rng.integers(1, 25, 80).astype(float), rng.integers(1, 30, 80).astype(float)
    has_died = rng.random(80) < 0.7
    drawn = np.ones((1, 80), dtype=np.int64)
    assert c_index(predicted, days, has_died, drawn)[0] == pytest.approx(concordance_index(days, predicted, has_died))


def test_a_patient_drawn_twice_is_counted_twice() -> None:
    days, predicted = np.array([100.0, 200.0, 300.0]), np.array([1.0, 3.0, 2.0])
    drawn = np.array([[1, 2, 0], [0, 2, 1]])
    assert c_index(predicted, days, np.ones(3, dtype=bool), drawn).tolist() == [1.0, 0.0]


def test_a_prediction_that_is_the_same_for_all_has_no_order() -> None:
    assert {"spearman_r", "c_index"}.isdisjoint(figures(np.full(9, 200.0), times(list(range(100, 1000, 100))), False))


def test_two_lines_are_drawn_alike_so_that_a_small_difference_shows() -> None:
    rng = np.random.default_rng(2)
    truth = times(np.exp(rng.normal(6, 0.7, 100)).tolist())
    worse = figures(truth.days * np.exp(rng.normal(0, 0.5, 100)), truth)["mse_days2"]
    better = 0.99 * worse
    low, high = interval((better - worse)[1:, None])
    assert high[0] < 0
    assert high[0] - low[0] < 0.02 * np.ptp(worse[1:])
