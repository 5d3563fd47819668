"""Every figure of an evaluation with its interval over patients or groups.

Shapes: U units (patients or groups), K classes or labels, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from glioray.evaluation.bootstrap import Draws, Floats, draws, interval, means, medians
from glioray.registry.bundle import Score
from glioray.tasks._contract import Task
from glioray.tasks.segmentation import Segmentation

PerUnit = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Circumstances:
    """What is the same for every score of an evaluation."""

    split: str
    units: int
    unit: str
    seed: int


@dataclass(frozen=True)
class Scores:
    """The figures that are defined, and the names of those that are not: nothing of their kind was there."""

    defined: tuple[Score, ...]
    undefined: tuple[str, ...]


def pooled_scores(task: Task, per_unit: PerUnit, circumstances: Circumstances) -> Scores:
    """The task's metrics of the counts of all units together.

    Args:
        task: whose metrics they are.
        per_unit: its counts, kept apart by unit: (U, ...) each.
        circumstances: the same for all.
    """
    flat = {name: counts.double().reshape(len(counts), -1).numpy() for name, counts in per_unit.items()}

    def figures(drawn: Draws) -> Floats:
        sums = {name: torch.from_numpy(drawn @ counts) for name, counts in flat.items()}
        rows = [{name: sums[name][row].reshape(per_unit[name].shape[1:]) for name in sums} for row in range(len(drawn))]
        return np.array([list(task.metrics(counts).values()) for counts in rows])

    names = list(task.metrics({name: counts.double().sum(0) for name, counts in per_unit.items()}))
    return _scores(names, figures, circumstances)


def volume_scores(task: Segmentation, pixels: torch.Tensor, circumstances: Circumstances) -> Scores:
    """Mean and median over patients of every measure: of its mean over labels, and of each label and region.

    Args:
        task: names the labels and regions.
        pixels: (U,K+R,3) as `Segmentation.counts` gives them, summed over all slices of each patient.
        circumstances: the same for all.
    """
    measured = {name: values.numpy() for name, values in task.by_patient({"pixels": pixels}).items()}
    num_labels = len(task.labels)
    names = [
        f"{prefix}{measure}{suffix}"
        for prefix in ("", "median_")
        for measure in measured
        for suffix in ("", *(f"/{name}" for name in task.names))
    ]

    def figures(drawn: Draws) -> Floats:
        columns = []
        for middle in (means, medians):
            for values in measured.values():
                columns.append(middle(np.column_stack([mean_over_labels(values[:, :num_labels]), values]), drawn))
        return np.concatenate(columns, axis=1)

    return _scores(names, figures, circumstances)


def mean_over_labels(values: Floats) -> Floats:
    """(U,) of (U,K): of each patient, the labels that it has or was given; NaN where there are none."""
    overall: Floats = means(values.T, np.ones((1, values.shape[1]), dtype=np.int64))[0]
    return overall


def _scores(names: list[str], figures: Callable[[Draws], Floats], circumstances: Circumstances) -> Scores:
    """`figures` takes (R,U) draws to (R,M); each unit drawn once gives the value itself."""
    values = figures(np.ones((1, circumstances.units), dtype=np.int64))[0]
    low, high = np.full((2, len(names)), np.nan)
    if circumstances.units > 1:
        low, high = interval(np.concatenate([figures(drawn) for drawn in draws(circumstances.units)]))
    found = zip(names, values.tolist(), low.tolist(), high.tolist(), strict=True)
    scores = [
        Score(name=name, value=value, low=_or_none(lower), high=_or_none(upper), **vars(circumstances))
        for name, value, lower, upper in found
        if not math.isnan(value)
    ]
    missing = (name for name, value in zip(names, values, strict=True) if math.isnan(value))
    return Scores(tuple(scores), tuple(missing))


def _or_none(end: float) -> float | None:
    """One unit has no interval."""
    return None if math.isnan(end) else end
