"""What the two tasks hand to the tests, the tables and the page of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from glioray.evaluation.bootstrap import Floats
from glioray.evaluation.comparing.paired import Parts
from glioray.evaluation.comparing.result import Agreement
from glioray.evaluation.findings import Table
from glioray.evaluation.scoring import Scores

PairIndex = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A picture and what stands below it; `is_right` colors the text of an answer."""

    png: bytes | None
    name: str
    text: str = ""
    is_right: bool | None = None


@dataclass(frozen=True)
class Case:
    """Something that models disagree on: the scan, the truth and each model's answer."""

    title: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Material:
    """Of every model in its order, and of every pair of them by their places."""

    figure: str
    scores: tuple[Scores, ...]
    parts: tuple[Parts, ...]
    agreements: dict[PairIndex, Agreement]
    cases: tuple[Case, ...]
    cases_text: str
    tables: dict[str, Table]
    by_unit: tuple[Floats, ...] = ()
    """(U,) of each model: the figure of each patient, where a patient has one"""
