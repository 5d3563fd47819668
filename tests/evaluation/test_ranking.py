from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from glioray.evaluation.bootstrap import draws
from glioray.evaluation.ranking import Ranking, areas, ranking_scores
from glioray.evaluation.scoring import Circumstances

ONCE = np.ones((1, 4), dtype=np.int64)
EACH_ITS_OWN = np.arange(4)
GROUPS = Circumstances("test, split by group", 4, "groups", seed=0)


def ranking(values, is_positive, name="area") -> Ranking:
    return Ranking(name, np.array(values, dtype=float), np.array(is_positive, dtype=bool))


@pytest.mark.parametrize(
    ("values", "is_positive", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.1, 0.8, 0.2, 0.9], [0, 0, 1, 1], 3 / 4),
        ([0.5, 0.5, 0.5, 0.9], [0, 0, 1, 1], (0.5 + 0.5 + 1 + 1) / 4),
        ([0.5] * 4, [0, 1, 0, 1], 0.5),
    ],
)
def test_an_area_is_the_share_of_pairs_in_the_right_order(values, is_positive, expected):
    assert areas(ranking(values, is_positive), EACH_ITS_OWN, ONCE).tolist() == [expected]


@pytest.mark.parametrize("kind", [0, 1])
def test_where_a_kind_is_missing_there_is_no_area(kind):
    assert np.isnan(areas(ranking([1, 2, 3, 4], [kind] * 4), EACH_ITS_OWN, ONCE)).all()


def test_a_unit_that_was_not_drawn_has_no_part_in_it():
    found = areas(ranking([1, 2, 3, 0], [0, 0, 1, 1]), EACH_ITS_OWN, np.array([[2, 1, 1, 0], [1, 1, 0, 2]]))

    assert found.tolist() == [1.0, 0.0]


def test_every_resample_is_what_scikit_learn_gives_with_the_draws_as_weights():
    generator = np.random.default_rng(0)
    values = generator.integers(0, 12, 90) / 12  # with ties
    is_positive = generator.random(90) < 0.3 + 0.4 * values
    unit_index = generator.integers(0, 25, 90)
    drawn = next(draws(25, seed=1, resamples=40))

    found = areas(ranking(values, is_positive), unit_index, drawn)

    expected = [roc_auc_score(is_positive, values, sample_weight=row[unit_index]) for row in drawn]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_mean_leaves_out_what_has_no_area():
    rankings = [ranking([1, 2, 3, 4], [0, 0, 1, 1], "a"), ranking([1, 2, 3, 4], [0] * 4, "b")]

    scores = ranking_scores(rankings, EACH_ITS_OWN, GROUPS, mean="auc")

    assert [(score.name, score.value) for score in scores.defined] == [("auc", 1.0), ("a", 1.0)]
    assert scores.undefined == ("b",)


def test_an_interval_runs_over_units_not_over_rows():
    # One group ranked right and one ranked wrong, of a thousand rows each: either may be drawn twice.
    values = np.r_[np.zeros(500), np.ones(500), np.ones(500), np.zeros(500)]
    found = ranking(values, np.tile(np.repeat([False, True], 500), 2))

    (score,) = ranking_scores([found], np.repeat([0, 1], 1000), Circumstances("test", 2, "groups", 0)).defined

    assert (score.low, score.value, score.high) == (0.0, 0.5, 1.0)
