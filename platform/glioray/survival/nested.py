"""Cross-validation in cross-validation: the inner folds choose a model, the outer ones say what it is worth.

Whoever is predicted has taken no part, neither in the fit nor in the choice of model and settings.

Source: Varma & Simon 2006, doi:10.1186/1471-2105-7-91.

Shapes: N patients, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import GroupKFold

from glioray.errors import ModelError
from glioray.survival.models import CANDIDATES, NOT_FITTED, Bools, Floats, SurvivalModel

OUTER_FOLDS, INNER_FOLDS = 5, 4
Makers = Mapping[str, Callable[[], SurvivalModel]]


@dataclass(frozen=True)
class Times:
    """Days (N,) to death, or where `has_died` (N,) is false to the last that was heard; groups (N,) stay together."""

    days: Floats
    has_died: Bools
    groups: tuple[str, ...]

    def at(self, rows: Sequence[int]) -> Times:
        """Of some patients."""
        return Times(self.days[rows], self.has_died[rows], tuple(self.groups[row] for row in rows))


@dataclass(frozen=True)
class Predictions:
    """Days (N,) for every patient from each of several inputs, and the model that answered in each outer fold."""

    days: tuple[Floats, ...]
    chosen: tuple[str, ...]


def folds(groups: Sequence[str], count: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Rows of train and test, each row once in test; groups are shuffled by the seed."""
    splitter = GroupKFold(count, shuffle=True, random_state=seed)
    for train, test in splitter.split(np.zeros(len(groups)), groups=list(groups)):
        yield train.tolist(), test.tolist()


def cross_validated(
    learned: Floats,
    tested: Sequence[Floats],
    times: Times,
    makers: Makers = CANDIDATES,
    seed: int = 0,
    on_fold: Callable[[int], None] | None = None,
) -> Predictions:
    """Each patient predicted once, from one or several inputs, by a model fitted on the first.

    Args:
        learned: (N,F) that models learn from, and that chooses among them.
        tested: each (N,F), that the chosen model answers from.
        times: of the same patients.
        makers: models to choose among; of one alone no inner folds are made.
        seed: of the folds.
        on_fold: told how many of the outer folds are done.

    Raises:
        ModelError: no model can be fitted.
    """
    found = [np.full(len(learned), np.nan) for _ in tested]
    chosen = []
    for number, (train, test) in enumerate(folds(times.groups, OUTER_FOLDS, seed)):
        ordered = _ordered(learned[train], times.at(train), makers, seed)
        name, model = _first_fitted(ordered, makers, learned[train], times.at(train))
        chosen.append(name)
        for days, inputs in zip(found, tested, strict=True):
            days[test] = model.predict(inputs[test])
        if on_fold is not None:
            on_fold(number + 1)
    return Predictions(tuple(found), tuple(chosen))


def _ordered(inputs: Floats, times: Times, makers: Makers, seed: int) -> list[str]:
    """Names of the models, the best first: by the mean squared error of ln(days) of those who died."""
    if len(makers) == 1:
        return list(makers)
    errors = {name: np.full(len(inputs), np.inf) for name in makers}
    for train, test in folds(times.groups, INNER_FOLDS, seed):
        part = times.at(train)
        for name, make in makers.items():
            try:
                model = make()
                model.fit(inputs[train], part.days, part.has_died)
                errors[name][test] = np.log(np.maximum(model.predict(inputs[test]), 1)) - np.log(times.days[test])
            except NOT_FITTED:
                continue
    scores = {name: float(np.mean(error[times.has_died] ** 2)) for name, error in errors.items()}
    return sorted(scores, key=lambda name: scores[name])


def _first_fitted(names: Sequence[str], makers: Makers, inputs: Floats, times: Times) -> tuple[str, SurvivalModel]:
    reason: Exception | None = None
    for name in names:
        model = makers[name]()
        try:
            model.fit(inputs, times.days, times.has_died)
        except NOT_FITTED as error:
            reason = error
            continue
        return name, model
    raise ModelError(f"none of {len(names)} models can be fitted on {len(inputs)} patients; the last said: {reason}")
