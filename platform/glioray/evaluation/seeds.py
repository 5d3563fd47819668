"""The same training with several seeds: each seed's figures, their mean and their standard deviation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from glioray.evaluation.findings import Cell, Section, Table, interval_text
from glioray.evaluation.result import Evaluation
from glioray.frozen import Frozen
from glioray.registry.card import digits

SCHEMA_VERSION = 1
FILE_NAME = "seeds.json"


class OverSeeds(Frozen):
    """One figure over the seeds that have it."""

    name: str
    mean: float
    standard_deviation: float | None = Field(description="of a sample, n - 1; none of a single seed")
    seeds: int = Field(description="how many seeds it is over")

    @property
    def text(self) -> str:
        """`0.931 ± 0.004`."""
        number = f"{{:.{digits(self.name)}f}}".format
        spread = self.standard_deviation
        return number(self.mean) if spread is None else f"{number(self.mean)} ± {number(spread)}"


class SeedReport(Frozen):
    """Evaluations that differ in the seed of their training alone."""

    schema_version: int = SCHEMA_VERSION
    figures: tuple[OverSeeds, ...]
    evaluations: tuple[Evaluation, ...] = Field(description="one a seed, whole")

    @classmethod
    def of(cls, evaluations: Sequence[Evaluation]) -> SeedReport:
        """The figures that at least one of them has."""
        names = dict.fromkeys(score.name for one in evaluations for score in one.scores)
        return cls(figures=tuple(_over_seeds(name, evaluations) for name in names), evaluations=tuple(evaluations))

    @property
    def headline(self) -> tuple[OverSeeds, ...]:
        """The figures to say first."""
        wanted = [score.name for score in self.evaluations[0].headline]
        return tuple(figure for name in wanted for figure in self.figures if figure.name == name)

    @property
    def seeds_text(self) -> str:
        """`0, 1, 2`."""
        return ", ".join(str(one.seed) for one in self.evaluations)

    @property
    def undefined(self) -> tuple[str, ...]:
        """The figures that at least one seed lacks."""
        return tuple(dict.fromkeys(name for one in self.evaluations for name in one.undefined))

    def units_text(self, name: str) -> str:
        """How many patients or groups a figure is over: `9`, or `7-9` where seeds differ in it."""
        units = {score.units for one in self.evaluations for score in one.scores if score.name == name}
        return str(min(units)) if len(units) == 1 else f"{min(units)}-{max(units)}"

    def save(self, folder: Path) -> None:
        """Writes `seeds.json`; the folder is still the temporary one of its writer."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def sections(found: SeedReport, headings: Mapping[str, str]) -> tuple[Section, ...]:
    """Each seed with the figures to say first, then every figure."""
    names = [figure.name for figure in found.headline]
    rows: list[tuple[Cell, ...]] = [
        (str(one.seed), *(interval_text(one.scores, name) for name in names)) for one in found.evaluations
    ]
    rows.append(("mean ± sd", *(figure.text for figure in found.headline)))
    every = [
        (
            figure.name,
            *(interval_text(one.scores, figure.name) for one in found.evaluations),
            figure.text,
            f"{figure.seeds} of {len(found.evaluations)}",
            found.units_text(figure.name),
        )
        for figure in found.figures
    ]
    seeds = [f"seed {one.seed}" for one in found.evaluations]
    unit = found.evaluations[0].unit
    return (
        Section(
            "Seed by seed",
            _EACH,
            table=Table(("seed", *(headings[name] for name in names)), tuple(rows)),
        ),
        Section("Every figure", table=Table(("figure", *seeds, "mean ± sd", "seeds", unit), tuple(every))),
    )


def _over_seeds(name: str, evaluations: Sequence[Evaluation]) -> OverSeeds:
    values = [score.value for one in evaluations for score in one.scores if score.name == name]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return OverSeeds(name=name, mean=statistics.fmean(values), standard_deviation=spread, seeds=len(values))


_EACH = (
    "In brackets the interval of each seed over the same patients or groups: what another draw of them would give. The "
    "standard deviation (sd) is what another seed would give; the two are not to be mixed."
)
