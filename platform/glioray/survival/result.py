"""What was found of survival: the content of `survival.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from glioray.data.records import Refused
from glioray.evaluation import bootstrap
from glioray.frozen import Frozen
from glioray.registry.bundle import Score
from glioray.survival.lines import AGE, CLINICAL, MASKS, PREDICTED, Cases, Line
from glioray.survival.models import Bools, Floats
from glioray.survival.nested import INNER_FOLDS, OUTER_FOLDS
from glioray.survival.scores import HIGHER_IS_BETTER, figures

SCHEMA_VERSION = 1
FILE_NAME = "survival.json"
DECIDES = "c_index"
"""the one measure by which masks are said to add something; it was chosen before any was looked at"""
PAIRS = ((CLINICAL, AGE), (MASKS, AGE), (MASKS, CLINICAL), (PREDICTED, MASKS), (PREDICTED, AGE))
COMPARED = ("c_index", "accuracy", "mse_days2", "spearman_r", "r2_log_days")
FEWEST_SCORED = 10
_ADDS = {
    "better": "add to age",
    "worse": "take away from age",
    "not told apart": "add nothing to age that shows",
}


class LineScores(Frozen):
    """What one way of predicting came to on one population."""

    name: str
    title: str
    population: str = Field(description="all, or GTR: those that BraTS scores")
    chosen: tuple[str, ...] = Field(description="the model of each outer fold")
    scores: tuple[Score, ...]

    def score(self, name: str) -> Score | None:
        """The figure of this name; none where it is not defined."""
        return next((score for score in self.scores if score.name == name), None)


class Difference(Frozen):
    """One line's figure less that of another, on the same draws of the same patients."""

    of: str
    against: str
    population: str
    name: str = Field(description="of the measure")
    value: float
    low: float | None
    high: float | None
    units: int

    @property
    def text(self) -> str:
        """As `+0.021 [-0.030, +0.072]`."""
        return f"{self.value:+.3f}" + (f" [{self.low:+.3f}, {self.high:+.3f}]" if self.ends else "")

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of its interval, where it has both."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval is on one side of 0."""
        low, high = self.ends or (0.0, 0.0)
        if low <= 0 <= high:
            return "not told apart"
        return "better" if (self.value > 0) == HIGHER_IS_BETTER[self.name] else "worse"


class SurvivalReport(Frozen):
    """Every figure with all that it takes to believe it."""

    schema_version: int = SCHEMA_VERSION
    synthetic: bool
    citation: str
    scans: str | None = Field(description="name of the folder; none where there was a table alone")
    table: str
    bundles: tuple[str, ...] = Field(description="that predicted masks, each only of patients it had not seen")
    patients: int = Field(description="that models learned from")
    died: int
    alive: int = Field(description="who lived when last heard of: learned from where a model can, ordered, no error")
    gtr: int
    tested: int = Field(description="patients scored: all, or those of whom an honest predicted mask exists")
    features: tuple[str, ...]
    split: str
    seed: int = Field(description="of the folds")
    interval: str
    remarks: tuple[Refused, ...]
    lines: tuple[LineScores, ...]
    differences: tuple[Difference, ...]

    @classmethod
    def of(cls, cases: Cases, lines: Sequence[Line], about: Mapping[str, object], seed: int) -> SurvivalReport:
        """Scores all lines.

        Args:
            cases: that were predicted.
            lines: their predictions.
            about: `synthetic`, `citation`, `scans`, `table`, `bundles`.
            seed: of the folds.
        """
        split = (
            f"test folds of {OUTER_FOLDS}-fold cross-validation by patient, models chosen in {INNER_FOLDS} inner folds"
        )
        scored, differences = _scored(cases, lines, split, seed)
        has_died = cases.cohort.has_died
        return cls.model_validate(
            dict(
                about,
                patients=len(has_died),
                died=int(has_died.sum()),
                alive=int((~has_died).sum()),
                gtr=int(cases.cohort.is_gtr.sum()),
                tested=int(cases.is_tested.sum()),
                features=tuple(cases.true[0]) if cases.true else (),
                split=split,
                seed=seed,
                interval=bootstrap.described("patients"),
                remarks=cases.cohort.remarks,
                lines=scored,
                differences=differences,
            )
        )

    def line(self, name: str, population: str = "all") -> LineScores | None:
        """Of this name, if there is one."""
        return next((one for one in self.lines if (one.name, one.population) == (name, population)), None)

    def difference(self, of: str, against: str, name: str = DECIDES) -> Difference | None:
        """Over all patients scored, if both lines are there."""
        wanted = (of, against, "all", name)
        return next(
            (one for one in self.differences if (one.of, one.against, one.population, one.name) == wanted), None
        )

    @property
    def verdict(self) -> str:
        """Whether masks add anything over age, in a sentence."""
        told = self.difference(MASKS, AGE)
        if told is None:
            age = self.line(AGE)
            found = age.score(DECIDES) if age else None
            ends = f" [{found.low:.3f}, {found.high:.3f}]" if found and found.ends else ""
            figure = f" {found.value:.3f}{ends}" if found else ""
            return f"No masks were given: concordance index of the age-only line{figure}, {self.tested} patients."
        return (
            f"Masks {_ADDS[told.verdict]}: concordance index {told.text} over the age-only line, {told.units} patients."
        )

    @property
    def verdict_of_predicted(self) -> str:
        """The same of predicted masks; empty where there are none."""
        told = self.difference(PREDICTED, AGE)
        return f"Masks that a model predicts {_ADDS[told.verdict]}: {told.text}." if told else ""

    def save(self, folder: Path) -> None:
        """Writes `survival.json`; the folder is still the temporary one of its writer."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _scored(
    cases: Cases, lines: Sequence[Line], split: str, seed: int
) -> tuple[tuple[LineScores, ...], tuple[Difference, ...]]:
    scored: list[LineScores] = []
    differences: list[Difference] = []
    for population, chosen in (("all", cases.is_tested), ("GTR", cases.is_tested & cases.cohort.is_gtr)):
        rows = np.flatnonzero(chosen)
        if np.count_nonzero(cases.cohort.has_died[rows]) < FEWEST_SCORED:
            continue
        times = cases.times.at(rows.tolist())
        found = {line.name: figures(line.days[rows], times, line.has_order) for line in lines}
        for line in lines:
            scores = _scores(found[line.name], times.has_died, split, seed)
            scored.append(
                LineScores(name=line.name, title=line.title, population=population, chosen=line.chosen, scores=scores)
            )
        differences += _differences(found, population, times.has_died)
    return tuple(scored), tuple(differences)


def _scores(found: Mapping[str, Floats], has_died: Bools, split: str, seed: int) -> tuple[Score, ...]:
    scores = []
    for name, values in found.items():
        low, high = bootstrap.interval(values[1:, None])
        if not math.isnan(values[0]):
            units = _units(name, has_died)
            scores.append(
                Score(name=name, value=values[0], **bootstrap.ends_of(low[0], high[0]), split=split, units=units,
                      unit="patients", seed=seed)
            )  # fmt: skip
    return tuple(scores)


def _differences(found: Mapping[str, Mapping[str, Floats]], population: str, has_died: Bools) -> list[Difference]:
    differences = []
    for of, against in PAIRS:
        for name in COMPARED:
            if name not in found.get(of, {}) or name not in found.get(against, {}):
                continue
            apart = found[of][name] - found[against][name]
            low, high = bootstrap.interval(apart[1:, None])
            if not math.isnan(apart[0]):
                about = {"of": of, "against": against, "population": population, "name": name}
                figure = {"value": apart[0], **bootstrap.ends_of(low[0], high[0]), "units": _units(name, has_died)}
                differences.append(Difference.model_validate(about | figure))
    return differences


def _units(name: str, has_died: Bools) -> int:
    """Patients that a measure is over."""
    return len(has_died) if name == "c_index" else int(has_died.sum())
