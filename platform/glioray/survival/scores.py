"""What predictions of survival are worth: the scores of BraTS, and the order of patients, with intervals.

BraTS scores those who died and of whom all that enhances was resected (GTR): accuracy over three classes, mean, median
and standard deviation of the squared error in days, and Spearman's coefficient. The concordance index counts pairs, and
so can use patients too who lived when last heard of.

Sources: Bakas 2018, arXiv 1811.02629, section 2.3, short below 10 months, long above 15, which its evaluation takes as
300 and 450 days; Harrell 1982, doi:10.1001/jama.1982.03320430047030.

Shapes: N patients, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from glioray.evaluation.bootstrap import Draws, draws, shares
from glioray.survival.models import Bools, Floats
from glioray.survival.nested import Times

SHORT_DAYS, LONG_DAYS = 300, 450
CLASSES = ("short", "mid", "long")
HIGHER_IS_BETTER: Mapping[str, bool] = {
    "accuracy": True,
    "mse_days2": False,
    "median_se_days2": False,
    "std_se_days2": False,
    "spearman_r": True,
    "r2_log_days": True,
    "c_index": True,
}


def classes(days: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(N,) 0 below 300 days, 1 from 300 to 450, 2 above."""
    return (days >= SHORT_DAYS).astype(np.int64) + (days > LONG_DAYS)


def figures(predicted: Floats, times: Times, has_order: bool = True) -> dict[str, Floats]:
    """(1+R,) of every measure: of the patients as they are, then of each draw of as many with replacement.

    The draws are the same for the same number of patients, so that two predictions can be compared pair by pair.

    Args:
        predicted: (N,) days.
        times: of the same patients; all but the concordance index is over those who died.
        has_order: false of a prediction that is the same for all, which has neither `spearman_r` nor `c_index`.
    """
    num_patients = len(predicted)
    drawn = np.concatenate([np.ones((1, num_patients), dtype=np.int64), *draws(num_patients)])
    rows = [np.repeat(np.arange(num_patients), times_drawn * times.has_died) for times_drawn in drawn]
    found = _errors(predicted, times.days, rows)
    if has_order:
        found |= {"spearman_r": np.array([_spearman(predicted[some], times.days[some]) for some in rows])}
        found |= {"c_index": c_index(predicted, times.days, times.has_died, drawn)}
    return {name: found[name] for name in HIGHER_IS_BETTER if name in found}


def c_index(predicted: Floats, days: Floats, has_died: Bools, drawn: Draws) -> Floats:
    """(R,) share of the pairs whose order is known that are predicted in this order; a tie counts half.

    A pair's order is known where one died before the other died or was last heard of.

    Args:
        predicted: (N,) days.
        days: (N,) true ones.
        has_died: (N,).
        drawn: (R,N) how often each patient is drawn.
    """
    same_day = (days[:, None] == days[None]) & ~has_died[None]
    is_known = ((days[:, None] < days[None]) | same_day) & has_died[:, None]
    is_right = (predicted[:, None] < predicted[None]) + 0.5 * (predicted[:, None] == predicted[None])
    pairs = ((drawn @ is_known.astype(np.float64)) * drawn).sum(axis=1)
    right = ((drawn @ (is_known * is_right)) * drawn).sum(axis=1)
    return shares(right, pairs)


def _errors(
    predicted: Floats, days: Floats, rows: list[np.ndarray[tuple[int], np.dtype[np.int64]]]
) -> dict[str, Floats]:
    """(R,) of the measures of each patient's own error, over the rows of each draw; NaN where nobody is in it."""
    squared = (predicted - days) ** 2
    is_right = classes(predicted) == classes(days)
    log_days = np.log(days)
    log_error = (np.log(np.maximum(predicted, 1)) - log_days) ** 2
    filled = [some for some in rows if len(some)]
    values = [
        (
            is_right[some].mean(),
            squared[some].mean(),
            np.median(squared[some]),
            squared[some].std(),
            1 - log_error[some].mean() / max(log_days[some].var(), 1e-12),
        )
        for some in filled
    ]
    names = ("accuracy", "mse_days2", "median_se_days2", "std_se_days2", "r2_log_days")
    return dict(zip(names, np.array(values).reshape(-1, len(names)).T, strict=True))


def _spearman(one: Floats, other: Floats) -> float:
    if len(np.unique(one)) < 2 or len(np.unique(other)) < 2:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
