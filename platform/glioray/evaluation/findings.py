"""What a task's part of an evaluation hands to the tables and to the report."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glioray.evaluation.scoring import Scores

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


def interval_text(scores: Scores, name: str) -> str:
    """`0.931 [0.912, 0.950]`, or a dash where it is not defined."""
    for score in scores.defined:
        if score.name == name:
            ends = (
                f" [{score.low:.3f},\u00a0{score.high:.3f}]" if score.low is not None and score.high is not None else ""
            )
            return f"{score.value:.3f}{ends}"
    return "–"


def score_table(
    scores: Scores, kind: str, rows: Sequence[str], columns: dict[str, str], counts: tuple[str, Sequence[int]]
) -> Table:
    """A row a class or label: its count under a heading, then the measures, `columns` from heading to name."""
    heading, numbers = counts
    body: list[tuple[Cell, ...]] = [
        (row, count, *(interval_text(scores, f"{measure}/{row}") for measure in columns.values()))
        for row, count in zip(rows, numbers, strict=True)
    ]
    return Table((kind, heading, *columns), tuple(body))


def _plain(cell: Cell) -> str | int:
    if cell is None:
        return ""
    return f"{cell:.8f}" if isinstance(cell, float) else cell
