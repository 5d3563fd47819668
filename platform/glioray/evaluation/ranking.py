"""How well numbers put rows in order: the area under the ROC curve, with its interval over patients or groups.

The area is the share of pairs of a positive and a negative row in which the positive one has the larger number, a tie
counting half. Of drawn units a row counts as often as its unit was drawn; the areas of all resamples are found at once,
each being what scikit-learn's `roc_auc_score` gives with these counts as `sample_weight`.

Rule where one kind is missing: no pair, no area (NaN). It is left out of a mean, and of the interval where a resample
lacks it.

Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747; one against the rest, Provost & Domingos 2000.

Shapes: N rows, U units, R resamples, M rankings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.evaluation.bootstrap import Draws, Floats, shares
from glioray.evaluation.scoring import Circumstances, Scores, resampled_scores

Bools = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Numbers (N,), and which of the rows (N,) should have the larger ones."""

    name: str
    values: Floats
    is_positive: Bools


def areas(ranking: Ranking, unit_index: Places, drawn: Draws) -> Floats:
    """(R,) areas of a ranking of rows whose units (N,) are drawn so often (R,U); NaN where a kind is missing."""
    order = np.argsort(ranking.values, kind="stable")
    ordered = ranking.values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # of rows with the same number
    weights = drawn[:, unit_index[order]].astype(np.float64)
    is_positive = ranking.is_positive[order]
    positive = np.add.reduceat(weights * is_positive, starts, axis=1)
    negative = np.add.reduceat(weights * ~is_positive, starts, axis=1)
    below = negative.cumsum(axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    won = (positive * (below + negative / 2)).sum(axis=1)
    return shares(won, pairs)


def ranking_scores(
    rankings: Sequence[Ranking], unit_index: Places, circumstances: Circumstances, mean: str | None = None
) -> Scores:
    """The area of each ranking.

    Args:
        rankings: of the same rows.
        unit_index: (N,) whose each row is.
        circumstances: the same for all.
        mean: name of the mean over all of them, which then stands first; none where there is no use of it.
    """

    def figures(drawn: Draws) -> Floats:
        found = np.stack([areas(ranking, unit_index, drawn) for ranking in rankings], axis=1)
        return found if mean is None else np.column_stack([_mean_of_defined(found), found])

    names = [*([] if mean is None else [mean]), *(ranking.name for ranking in rankings)]
    return resampled_scores(dict.fromkeys(names, circumstances.units), figures, circumstances)


def _mean_of_defined(values: Floats) -> Floats:
    """(R,) of (R,M)."""
    return shares(np.nansum(values, axis=1), np.count_nonzero(~np.isnan(values), axis=1))
