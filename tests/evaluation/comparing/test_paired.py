from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from glioray.evaluation.bootstrap import draws, interval, means
from glioray.evaluation.comparing.paired import (
    Parts,
    difference,
    holm,
    is_exact,
    mean_parts,
    recall_parts,
    share_parts,
    smallest_p,
    with_interval,
)
from glioray.tasks.classification import Classification


def of(*values: float) -> Parts:
    return mean_parts(np.array(values))


def every_exchange(one: np.ndarray, other: np.ndarray) -> float:
    """The two-sided p-value, written out: the share of all exchanges that part the models as far."""
    seen = abs(one.mean() - other.mean())
    num_units = len(one)
    far = 0
    for code in range(2**num_units):
        swap = np.array([code >> bit & 1 for bit in range(num_units)], dtype=bool)
        far += abs(np.where(swap, other, one).mean() - np.where(swap, one, other).mean()) >= seen - 1e-12
    return far / 2**num_units


def test_one_model_better_on_each_of_five_patients_has_two_exchanges_of_32_as_far():
    found = difference(of(0.9, 0.8, 0.7, 0.6, 0.5), of(0.8, 0.7, 0.6, 0.5, 0.3))

    assert found.value == pytest.approx(0.12)
    assert found.p == 2 / 32 == smallest_p(5)


def test_the_p_value_of_few_patients_is_that_of_all_exchanges():
    generator = np.random.default_rng(3)
    one, other = generator.random(8), generator.random(8)

    assert difference(of(*one), of(*other)).p == pytest.approx(every_exchange(one, other))
    assert 0.05 < every_exchange(one, other) < 0.95


def test_the_p_value_of_many_patients_is_near_that_of_the_normal_law():
    generator = np.random.default_rng(0)
    gaps = generator.normal(0.05, 1, 400)
    found = difference(of(*gaps), of(*np.zeros(400)))

    z = gaps.mean() / np.sqrt((gaps**2).sum()) * 400
    normal = 2 * (1 - torch.distributions.Normal(0, 1).cdf(torch.tensor(abs(z)))).item()
    assert not is_exact(400)
    assert found.p == pytest.approx(normal, abs=0.02)


def test_equal_models_differ_by_nothing():
    found = difference(of(0.5, 0.7, 0.9), of(0.5, 0.7, 0.9))

    assert (found.value, found.low, found.high, found.p) == (0, None, None, 1)


def test_of_a_single_patient_nothing_is_known():
    found = difference(of(0.9), of(0.1))

    assert (found.value, found.low, found.high, found.p) == (0.8, None, None, 1.0)


def test_the_difference_is_that_of_the_scores_where_a_patient_lacks_one():
    found = difference(of(0.9, np.nan, 0.7, 0.8), of(0.5, 0.0, 0.6, np.nan))

    assert found.value == pytest.approx(0.8 - 1.1 / 3)
    assert 0 < found.p <= 1


def test_an_exchange_that_leaves_a_model_without_a_score_speaks_against_a_difference():
    assert difference(of(0.9, np.nan), of(np.nan, 0.1)).p == 1


def test_a_model_without_any_score_has_no_difference():
    assert np.isnan(difference(of(np.nan, np.nan), of(0.5, 0.6)).value)


def test_balanced_accuracy_of_summed_counts_is_the_tasks_own():
    generator = np.random.default_rng(1)
    confusion = generator.integers(0, 4, (9, 3, 3)).astype(float)
    confusion[:, 2] = 0  # a class without an image
    parts = recall_parts(confusion)
    counts = {"confusion": torch.from_numpy(confusion.sum(0)), "bins": torch.zeros(15, 2, dtype=torch.float64)}

    found = float(parts.figure(parts.values.sum(0)))

    assert found == pytest.approx(Classification(("a", "b", "c")).metrics(counts)["balanced_accuracy"])


def test_a_share_is_of_all_images_and_not_the_mean_of_shares():
    value, low, high = with_interval(share_parts(np.array([1.0, 0.0]), np.array([1.0, 9.0])))

    assert value == pytest.approx(0.1)
    assert (low, high) == (0.0, 1.0)


def test_the_interval_of_correlated_models_is_narrower_than_that_of_unpaired_ones():
    generator = np.random.default_rng(0)
    hard = generator.normal(0.7, 0.2, 60)  # what makes a patient hard for both
    one, other = hard + generator.normal(0.02, 0.02, 60), hard + generator.normal(0, 0.02, 60)

    paired = difference(of(*one), of(*other))

    apart = [
        np.concatenate([means(values[:, None], drawn) for drawn in draws(60, seed)])
        for seed, values in ((1, one), (2, other))
    ]
    low, high = interval(apart[0] - apart[1])
    assert paired.low is not None
    assert paired.high is not None
    assert paired.low > 0
    assert 5 * (paired.high - paired.low) < high[0] - low[0]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_one_pair_and_never_passes_one():
    assert holm([0.03]) == [0.03]
    assert holm([0.9, 0.6]) == [1.0, 1.0]


@pytest.mark.parametrize(("num_units", "expected"), [(1, 1.0), (4, 0.125), (13, 2 / 8192), (300, 2 / 10000)])
def test_the_smallest_p_is_known_before(num_units, expected):
    assert smallest_p(num_units) == expected


def test_two_equal_models_are_told_apart_in_about_five_of_a_hundred_tables():
    """Images come in groups whose answers hang together, as slices of a patient do; a test by image falls for it."""
    generator = np.random.default_rng(0)
    rejected = by_image = 0
    for _ in range(400):
        size = generator.integers(5, 30, 9)
        # How often each model is right in each group; both alike on the whole.
        right = [[generator.random(count) < generator.random() for count in size] for _ in range(2)]
        one, other = (share_parts(np.array([hits.sum() for hits in each]), size) for each in right)
        rejected += difference(one, other).p < 0.05
        alone, alone_other = (np.concatenate(a) & ~np.concatenate(b) for a, b in (right, right[::-1]))
        by_image += binomtest(int(alone.sum()), int((alone | alone_other).sum())).pvalue < 0.05  # McNemar's exact test

    # 400 tables at 5 %: three standard errors are 3.3 points.
    assert 0.017 <= rejected / 400 <= 0.083
    assert by_image / 400 > 0.2
