"""The predictions that stand beside each other, from the plainest up, all on the same folds.

Shapes: N patients, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glioray.data.progress import OnProgress
from glioray.survival.features import LOGARITHMIC
from glioray.survival.models import CANDIDATES, Bools, Floats, Median, line
from glioray.survival.nested import OUTER_FOLDS, Makers, Times, cross_validated
from glioray.survival.patients import Cohort

MEDIAN, AGE, CLINICAL, MASKS, PREDICTED = "median", "age_line", "clinical", "masks", "masks_predicted"
TITLES: Mapping[str, str] = {
    MEDIAN: "the median of the other patients",
    AGE: "age, a straight line",
    CLINICAL: "age and resection",
    MASKS: "age, resection and the true masks",
    PREDICTED: "the same models, tested on predicted masks",
}
BRIEFLY: Mapping[str, str] = {
    MEDIAN: "median",
    AGE: "age line",
    CLINICAL: "age and resection",
    MASKS: "true masks",
    PREDICTED: "predicted masks",
}
Features = Mapping[str, float]


@dataclass(frozen=True)
class Cases:
    """Patients, which of them must not be parted, and what was measured in their masks; nothing without scans.

    `predicted` is none where no model may answer: each has learned from the patient.
    """

    cohort: Cohort
    groups: tuple[str, ...]
    true: tuple[Features, ...] = ()
    predicted: tuple[Features | None, ...] = ()

    @property
    def times(self) -> Times:
        """Of all patients."""
        return Times(self.cohort.days, self.cohort.has_died, self.groups)

    @property
    def is_tested(self) -> Bools:
        """(N,) who is scored: where there are predicted masks, those who have one."""
        if not any(found is not None for found in self.predicted):
            return np.ones(len(self.groups), dtype=bool)
        return np.array([found is not None for found in self.predicted], dtype=bool)


@dataclass(frozen=True)
class Line:
    """Days (N,) predicted for every patient, NaN where there is nothing to predict from; the model of each fold."""

    name: str
    days: Floats
    chosen: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """For people."""
        return TITLES[self.name]

    @property
    def has_order(self) -> bool:
        """Whether it tells one patient from another."""
        return self.name != MEDIAN


def predict_lines(cases: Cases, seed: int, show: OnProgress, makers: Makers = CANDIDATES) -> tuple[Line, ...]:
    """All lines that the cases allow, in the order of `TITLES`.

    Args:
        cases: patients and features.
        seed: of the folds.
        show: called with (stage, outer folds done, all).
        makers: models to choose among.

    Raises:
        ModelError: no model can be fitted.
    """
    times, clinical = cases.times, _clinical(cases.cohort)
    age = clinical[:, :1]

    def predicted(name: str, learned: Floats, others: Sequence[Floats], among: Makers) -> list[Line]:
        names = (name, PREDICTED)
        found = cross_validated(
            learned, (learned, *others), times, among, seed, lambda done: show(TITLES[name], done, OUTER_FOLDS)
        )
        return [Line(one, days, found.chosen) for one, days in zip(names, found.days, strict=False)]

    found = predicted(MEDIAN, age, (), {MEDIAN: Median}) + predicted(AGE, age, (), {AGE: line})
    found += predicted(CLINICAL, clinical, (), makers)
    if cases.true:
        true = np.hstack([clinical, _matrix(cases.true, cases.true[0])])
        others = [np.hstack([clinical, _matrix(cases.predicted, cases.true[0])])] if any(cases.predicted) else []
        found += predicted(MASKS, true, others, makers)
    return tuple(
        Line(one.name, np.where(cases.is_tested, one.days, np.nan), one.chosen) if one.name == PREDICTED else one
        for one in found
    )


def _clinical(cohort: Cohort) -> Floats:
    """(N,3) age in years; 1 for GTR, for STR. Where neither is said, both are 0."""
    rows = [(one.age_years, float(one.resection == "GTR"), float(one.resection == "STR")) for one in cohort.patients]
    return np.array(rows, dtype=np.float64)


def _matrix(features: Sequence[Features | None], names: Mapping[str, float]) -> Floats:
    """(N,F) in the order of the names; what spans decades as ln(1 + x). NaN where there is nothing."""
    rows = [[np.nan if found is None else found[name] for name in names] for found in features]
    values = np.array(rows, dtype=np.float64)
    is_logarithmic = [name.endswith(LOGARITHMIC) for name in names]
    values[:, is_logarithmic] = np.log1p(values[:, is_logarithmic])
    return values
