"""Every figure of an evaluation with its interval over patients or groups.

Shapes: U units (patients or groups), K classes or labels, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from glioray.evaluation.bootstrap import Draws, Floats, draws, ends_of, interval, means, medians
from glioray.registry.bundle import Score

PerUnit = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Circumstances:
    """What is the same for every score of an evaluation."""

    split: str
    units: int
    unit: str
    seed: int | tuple[int, ...]


@dataclass(frozen=True)
class Scores:
    """The figures that are defined, and the names of those that are not: nothing of their kind was there."""

    defined: tuple[Score, ...]
    undefined: tuple[str, ...]


def together(*parts: Scores) -> Scores:
    """Those of several kinds as one, in their order."""
    return Scores(
        tuple(score for part in parts for score in part.defined),
        tuple(name for part in parts for name in part.undefined),
    )


class Measures(Protocol):
    """What turns summed counts to figures, as a task does."""

    def metrics(self, counts: dict[str, torch.Tensor]) -> dict[str, float]: ...


def pooled_scores(
    task: Measures, per_unit: PerUnit, circumstances: Circumstances, units: Mapping[str, int] | None = None
) -> Scores:
    """The task's metrics of the counts of all units together.

    Args:
        task: whose metrics they are.
        per_unit: its counts, kept apart by unit: (U, ...) each.
        circumstances: the same for all.
        units: of the figures that not every unit has: how many have it.
    """
    flat = {name: counts.double().reshape(len(counts), -1).numpy() for name, counts in per_unit.items()}

    def figures(drawn: Draws) -> Floats:
        sums = {name: torch.from_numpy(drawn @ counts) for name, counts in flat.items()}
        rows = [{name: sums[name][row].reshape(per_unit[name].shape[1:]) for name in sums} for row in range(len(drawn))]
        return np.array([list(task.metrics(counts).values()) for counts in rows])

    names = list(task.metrics({name: counts.double().sum(0) for name, counts in per_unit.items()}))
    return resampled_scores(dict.fromkeys(names, circumstances.units) | dict(units or {}), figures, circumstances)


def volume_scores(by_unit: Mapping[str, Floats], circumstances: Circumstances) -> Scores:
    """Mean and median over the patients who have a figure, of every figure; `units` counts these patients.

    Args:
        by_unit: (U,) by name; NaN where a patient has none.
        circumstances: the same for all.
    """
    values = np.column_stack(list(by_unit.values()))

    def figures(drawn: Draws) -> Floats:
        return np.concatenate([means(values, drawn), medians(values, drawn)], axis=1)

    counts = {name: int(np.count_nonzero(~np.isnan(column))) for name, column in by_unit.items()}
    return resampled_scores(
        counts | {f"median_{name}": units for name, units in counts.items()}, figures, circumstances
    )


def resampled_scores(
    units: Mapping[str, int], figures: Callable[[Draws], Floats], circumstances: Circumstances
) -> Scores:
    """Any figures M of drawn units.

    Args:
        units: by a figure's name, in order, how many units it is over.
        figures: takes (R,U) draws to (R,M); each unit drawn once gives the value itself.
        circumstances: the same for all.
    """
    values = figures(np.ones((1, circumstances.units), dtype=np.int64))[0]
    low, high = interval(np.concatenate([figures(drawn) for drawn in draws(circumstances.units)]))
    found = zip(units, values.tolist(), low.tolist(), high.tolist(), strict=True)
    shared = vars(circumstances)
    scores = [
        Score(name=name, value=value, **ends_of(lower, upper), **shared | {"units": units[name]})
        for name, value, lower, upper in found
        if not math.isnan(value)
    ]
    missing = (name for name, value in zip(units, values, strict=True) if math.isnan(value))
    return Scores(tuple(scores), tuple(missing))
