"""Accuracies of predictions with their intervals over groups of copies.

N images, K classes, U groups, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glioray.evaluation.bootstrap import draws, ends_of, interval
from glioray.registry.bundle import Score

NAMES = ("accuracy", "balanced_accuracy")


def scores_by_group(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    groups: Sequence[str],
    num_classes: int,
    split: str,
    seed: int,
) -> dict[str, Score]:
    """`accuracy` and `balanced_accuracy`, each with its interval over groups.

    Args:
        labels: (N,) the truth.
        predicted: (N,) what was answered.
        groups: (N,) group of each image.
        num_classes: labels and predictions are below.
        split: what the images are, as a score names it.
        seed: of the model and its split.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    confusion = np.zeros((len(names), num_classes, num_classes))
    np.add.at(confusion, (place, labels, predicted), 1)
    flat = confusion.reshape(len(names), -1)
    values = _accuracies(flat.sum(axis=0, keepdims=True), num_classes)[0]
    low, high = interval(np.concatenate([_accuracies(drawn @ flat, num_classes) for drawn in draws(len(names))]))
    return {
        name: Score(
            name=name, value=value, **ends_of(lower, upper), split=split, units=len(names), unit="groups", seed=seed
        )
        for name, value, lower, upper in zip(NAMES, values.tolist(), low.tolist(), high.tolist(), strict=True)
    }


def _accuracies(confusion: NDArray[np.float64], num_classes: int) -> NDArray[np.float64]:
    """(R, 2) of (R, K * K); a class that is not there has no recall."""
    cells = confusion.reshape(-1, num_classes, num_classes)
    right, true = np.diagonal(cells, axis1=1, axis2=2), cells.sum(axis=2)
    recall = np.where(true > 0, right / np.maximum(true, 1), np.nan)
    accuracy: NDArray[np.float64] = right.sum(axis=1) / true.sum(axis=1)
    return np.stack([accuracy, np.nanmean(recall, axis=1)], axis=1)
