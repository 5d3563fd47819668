"""Two models on the same patients: the difference of a figure, its interval, and how likely it is by chance.

The difference is that of the two scores as each stands alone. Its interval draws patients or groups again, the same
ones for both models. The test exchanges the answers of both models for whole patients or groups: if it did not matter
who gave which answer, every exchange would be as likely as what was seen. So neither takes the slices of a patient for
independent, as McNemar's test of single images would.

Source: paired bootstrap, Efron & Tibshirani 1993, ch. 8; the exchange within pairs, Good 2005, "Permutation,
Parametric, and Bootstrap Tests of Hypotheses", ch. 3, by `scipy.stats.permutation_test`; the correction for many pairs,
Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 65-70.

Shapes: U units (patients or groups), F parts of a figure, K classes, R resamples, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

from glioray.evaluation.bootstrap import SEED, Floats, draws, ends_of, interval, shares

EXCHANGES = 9999
_BLOCK = 1000


@dataclass(frozen=True)
class Parts:
    """What each unit adds to a figure, (U,F), and what makes the figure (...) of summed parts (...,F)."""

    values: Floats
    figure: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Difference:
    """Of one model's figure less another's; no interval of a single unit, or of units that are all alike."""

    value: float
    low: float | None
    high: float | None
    p: float


def share_parts(hits: Floats, all_of: Floats) -> Parts:
    """Of the share of hits, (U,) each, in all of them together."""
    return Parts(np.column_stack([hits, all_of]).astype(float), _ratio)


def mean_parts(values: Floats) -> Parts:
    """Of the mean over units (U,); a unit without the figure (NaN) adds nothing, as in the score itself."""
    defined = ~np.isnan(values)
    return share_parts(np.where(defined, values, 0.0), defined.astype(float))


def recall_parts(confusion: Floats) -> Parts:
    """Of the balanced accuracy, of confusions (U,K,K) of truth by prediction: right answers, then images, by class."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    return Parts(np.concatenate([right, confusion.sum(axis=2)], axis=1), _mean_recall)


def with_interval(parts: Parts) -> tuple[float, float | None, float | None]:
    """A figure of one set of units by itself, and the ends of its interval, where it has one."""
    value, drawn = float(parts.figure(parts.values.sum(axis=0))), draws(len(parts.values))
    low, high = interval(np.concatenate([parts.figure(d @ parts.values) for d in drawn])[:, None])
    ends = ends_of(low[0], high[0])
    return value, ends["low"], ends["high"]


def difference(one: Parts, other: Parts) -> Difference:
    """Of two models on the same units; NaN where one has no figure at all."""
    totals = [parts.values.sum(axis=0) for parts in (one, other)]
    value = float(one.figure(totals[0]) - other.figure(totals[1]))
    num_units = len(one.values)
    if num_units < 2:
        return Difference(value, None, None, 1.0)
    resampled = [one.figure(d @ one.values) - other.figure(d @ other.values) for d in draws(num_units)]
    low, high = interval(np.concatenate(resampled)[:, None])
    return Difference(value, **ends_of(low[0], high[0]), p=_chance(one, other))


def holm(p_values: Sequence[float]) -> list[float]:
    """(P,) p-values that hold for all pairs at once: below 5 % for any pair that does not differ in 5 % of tables."""
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    found: list[float] = adjusted.tolist()
    return found


def smallest_p(num_units: int) -> float:
    """Below this the test of one pair cannot go, whatever the models answer."""
    return 2 / min(num_exchanges(num_units), EXCHANGES + 1)


def num_exchanges(num_units: int) -> int:
    """In how many ways the answers of two models can be shared out between them."""
    return 1 << num_units


def is_exact(num_units: int) -> bool:
    """Whether every exchange is tried, not a drawn part of them."""
    return num_exchanges(num_units) <= EXCHANGES


def _chance(one: Parts, other: Parts) -> float:
    """Two-sided p-value: of all exchanges where there are few enough, else of drawn ones and the one that was seen."""
    num_units = len(one.values)
    totals, change = (one.values.sum(axis=0), other.values.sum(axis=0)), other.values - one.values
    seen = one.figure(totals[0]) - other.figure(totals[1])

    def exchanged(of_one: NDArray[np.int64], _of_other: NDArray[np.int64], axis: int) -> Floats:
        """(R,) of numbers of units (R,U), those from U on being of the other model."""
        del axis
        moved = (of_one >= num_units).astype(float) @ change
        found = one.figure(totals[0] + moved) - other.figure(totals[1] - moved)
        # An exchange that leaves a model without any figure counts against a difference.
        return np.where(np.isnan(found), seen, found)

    result = permutation_test(
        (np.arange(num_units), np.arange(num_units, 2 * num_units)),
        exchanged,
        permutation_type="samples",
        vectorized=True,
        n_resamples=EXCHANGES,
        batch=_BLOCK,
        axis=-1,
        rng=np.random.default_rng(SEED),
    )
    return float(result.pvalue)


def _ratio(sums: Floats) -> Floats:
    return shares(sums[..., 0], sums[..., 1])


def _mean_recall(sums: Floats) -> Floats:
    """Over the classes that have an image, as `Classification.metrics` does."""
    right, images = np.split(sums, 2, axis=-1)
    return shares(np.nan_to_num(shares(right, images)).sum(axis=-1), (images > 0).sum(axis=-1))
