"""What a task's part of an evaluation hands to the tables and to the report."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glioray.evaluation.scoring import Scores, together
from glioray.registry.bundle import Score
from glioray.registry.card import digits

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows under a header; a number that is not defined is none."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def save(self, path: Path) -> None:
        """Writes CSV; probabilities and scores keep eight digits, none is empty."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.header)
            writer.writerows([_plain(cell) for cell in row] for row in self.rows)


@dataclass(frozen=True)
class Picture:
    """The bytes of a PNG; scans keep their black in any color scheme."""

    png: bytes
    caption: str
    is_scan: bool = False


@dataclass(frozen=True)
class Section:
    """A heading of the report and what stands below it."""

    title: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Findings:
    """All that the predictions came to."""

    scores: Scores
    tables: dict[str, Table]
    sections: tuple[Section, ...]
    confusion: tuple[tuple[int, ...], ...] | None = None
    without_distance: dict[str, int] | None = None

    def with_more(self, scores: Scores, section: Section) -> Findings:
        """The same, with further figures and a section after its own."""
        return replace(self, scores=together(self.scores, scores), sections=(*self.sections, section))

    def after(self, sections: tuple[Section, ...]) -> Findings:
        """The same, with other sections before its own."""
        return replace(self, sections=(*sections, *self.sections))


def interval_text(scores: Iterable[Score], name: str) -> str:
    """`0.931 [0.912, 0.950]`, a distance as `4.2 [3.1, 5.9]`, or a dash where it is not defined."""
    for score in scores:
        if score.name == name:
            number = f"{{:.{digits(name)}f}}".format
            ends = ",\u00a0".join(map(number, score.ends or ()))
            return number(score.value) + (f" [{ends}]" if ends else "")
    return "–"


def score_table(
    scores: Scores, kind: str, rows: Sequence[str], columns: dict[str, str], counts: Mapping[str, Iterable[int]]
) -> Table:
    """A row a class or label: its counts by heading, then the measures, `columns` from heading to name."""
    body: list[tuple[Cell, ...]] = [
        (row, *map(int, numbers), *(interval_text(scores.defined, f"{measure}/{row}") for measure in columns.values()))
        for row, *numbers in zip(rows, *counts.values(), strict=True)
    ]
    return Table((kind, *counts, *columns), tuple(body))


def _plain(cell: Cell) -> str | int:
    if cell is None:
        return ""
    return f"{cell:.8f}" if isinstance(cell, float) else cell
