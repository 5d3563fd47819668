"""95 % intervals by drawing patients or groups again, with replacement; no model is fitted again.

A row is not independent of the other rows of its patient, so whole patients are drawn. A resample is a vector of
how often each unit was drawn; every figure of it is then made of products with this vector.

Source: percentile method, Efron & Tibshirani 1993, "An Introduction to the Bootstrap", ch. 13; drawing whole
clusters, Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x.

Shapes: R resamples, U units, M figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0
COVERAGE = 0.95
_BLOCK = 250
_SAME = 1e-9  # the mean of equal values differs from them in its last digits

Floats = NDArray[np.float64]
Draws = NDArray[np.int64]


def draws(num_units: int, seed: int = SEED, resamples: int = RESAMPLES) -> Iterator[Draws]:
    """How often each unit is drawn, (up to 250, U) at a time; each row sums to U, which may be 0."""
    if num_units == 0:
        yield np.zeros((resamples, 0), dtype=np.int64)
        return
    generator = np.random.default_rng(seed)
    chances = np.full(num_units, 1 / num_units)
    for start in range(0, resamples, _BLOCK):
        yield generator.multinomial(num_units, chances, size=min(_BLOCK, resamples - start))


def described(units: str) -> str:
    """How intervals are made, in words; over `patients` or `groups`."""
    return (
        f"95 % percentile bootstrap over {units}, {RESAMPLES} resamples, seed {SEED}; none where all of them give the "
        "same figure"
    )


def interval(resampled: Floats) -> tuple[Floats, Floats]:
    """Lower and upper ends, (M,) each, of figures (R,M).

    A resample in which a figure is not defined (NaN, such as the recall of a class that was not drawn) is left out
    for this figure. Where all resamples give the same, as of one unit or of units that are all right, the ends are NaN:
    such a figure is not certain, its sample does not show how it would vary.
    """
    tail = (1 - COVERAGE) / 2
    ends = np.full((2, resampled.shape[1]), np.nan)
    for index, column in enumerate(resampled.T):
        defined = column[~np.isnan(column)]
        if defined.size and np.ptp(defined) > _SAME * np.abs(defined).max():
            ends[:, index] = np.quantile(defined, [tail, 1 - tail])
    return ends[0], ends[1]


def ends_of(low: float, high: float) -> dict[str, float | None]:
    """The ends of one figure as a record holds them: both or none."""
    return {"low": None, "high": None} if math.isnan(low) else {"low": low, "high": high}


def means(values: Floats, drawn: Draws) -> Floats:
    """(R,M) means of values (U,M), each as often as drawn (R,U); NaN values are left out."""
    defined = ~np.isnan(values)
    return shares(drawn @ np.where(defined, values, 0.0), drawn @ defined)


def shares(part: Floats | Draws, whole: Floats | Draws) -> Floats:
    """The part of a whole, both counted, of any shape; NaN where there is nothing to divide by."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def mean_by_unit(values: Mapping[str, Floats], unit_of: Draws, num_units: int) -> dict[str, Floats]:
    """(U,) of each (V,): the mean over a unit's parts, those that are not defined (NaN) left out.

    Args:
        values: by name.
        unit_of: (V,) the unit of each part.
        num_units: how many there are.
    """
    belongs = (unit_of[None] == np.arange(num_units)[:, None]).astype(np.int64)
    return dict(zip(values, means(np.column_stack(list(values.values())), belongs).T, strict=True))


def medians(values: Floats, drawn: Draws) -> Floats:
    """(R,M) medians of values (U,M), each as often as drawn (R,U); NaN values are left out."""
    return np.stack([_median(column, drawn) for column in values.T], axis=1)


def _median(values: Floats, drawn: Draws) -> Floats:
    """(R,) of values (U,): the middle of each drawn list, found in the running count of the sorted values."""
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # NaN is sorted to the end
    if not order.size:
        return np.full(len(drawn), np.nan)
    ordered, running = values[order], drawn[:, order].cumsum(axis=1)
    total = running[:, -1]
    below = (running > ((total - 1) // 2)[:, None]).argmax(axis=1)
    above = (running > (total // 2)[:, None]).argmax(axis=1)
    return np.where(total > 0, (ordered[below] + ordered[above]) / 2, np.nan)
