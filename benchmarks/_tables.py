"""What a table of results asks for, and how it is written down."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glioray.errors import RecipeError
from glioray.evaluation.findings import interval_text
from glioray.evaluation.result import Evaluation

Values = dict[str, Any]
SCORES = {
    "classification": {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"},
    "segmentation": {"dice": "Dice, mean", "median_dice": "Dice, median"},
}
EACH = {"classification": "recall", "segmentation": "dice"}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Row(_Section):
    """One recipe, as it stands or with settings of its own; or the average of other rows, of each seed and fold."""

    label: str = Field(min_length=1, description="what the row is called")
    recipe: Path | None = Field(None, description="file of a recipe, from the folder of the project")
    settings: Values = Field({}, alias="set", description="as --set: dotted paths and values")
    average_of: tuple[str, ...] = Field((), description="labels of rows, whose models answer together")

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Row:
        if bool(self.recipe) == bool(self.average_of):
            raise ValueError(f"row {self.label!r} has a recipe or is an average_of others: give it one of the two")
        return self

    @property
    def slug(self) -> str:
        """The label as the name of a file."""
        return re.sub(r"[^a-z0-9]+", "-", self.label.lower()).strip("-")


class Asked(_Section):
    """A table: its rows, each trained with every seed, and where the data have folds on each of them."""

    title: str
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    folds: tuple[int, ...] = Field((), description="all of the data's, or none")
    settings: Values = Field({}, alias="set", description="of every row; a row's own go before them")
    rows: tuple[Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Asked:
        slugs = [row.slug for row in self.rows]
        if twice := sorted({slug for slug in slugs if slugs.count(slug) > 1}):
            raise ValueError(f"two rows are called {twice[0]!r}: give them different labels")
        trained = {row.label for row in self.rows if row.recipe}
        if unknown := [label for row in self.rows for label in row.average_of if label not in trained]:
            raise ValueError(f"an average is of {unknown[0]!r}, which no row with a recipe is called")
        return self

    def members(self, row: Row) -> tuple[Row, ...]:
        """The rows with a recipe that a row consists of."""
        return tuple(other for other in self.rows if other.label in row.average_of) or (row,)

    @classmethod
    def read(cls, path: Path) -> Asked:
        """Of a YAML file.

        Raises:
            RecipeError: it is not there, or not a table.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text()))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise RecipeError(f"{path}: not a table of results: {error}") from None


class Line(_Section):
    """What a row came to."""

    label: str
    fingerprint: str = Field(description="of all its recipes and data")
    parameters: int
    weights_mb: float
    epochs: tuple[int, ...] = Field(description="that each run was trained for")
    best_epochs: tuple[int, ...]
    epoch_s: float = Field(description="median over epochs, the first of a run left out, and runs; sum over members")
    answers_per_s: dict[str, float] = Field(description="by the images of a batch")
    threads: int
    evaluations: tuple[Evaluation, ...] = Field(description="one a seed, over all folds")

    @property
    def leak(self) -> str | None:
        """Why the figures are too good."""
        return self.evaluations[0].leak

    def mean(self, name: str) -> float | None:
        """Of a figure over the seeds that have it."""
        found = [score.value for one in self.evaluations for score in one.scores if score.name == name]
        return statistics.fmean(found) if found else None

    def text(self, name: str) -> str:
        """`0.931 ± 0.004`, of one seed with its interval instead."""
        if len(self.evaluations) == 1:
            return interval_text(self.evaluations[0].scores, name)
        values = [one.score(name).value for one in self.evaluations]
        return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"

    def values(self) -> Values:
        """The line with its means, for programs."""
        names = [score.name for score in self.evaluations[0].scores]
        return {**self.model_dump(mode="json"), "leak": self.leak, "means": {name: self.mean(name) for name in names}}


def markdown(asked: Asked, lines: Sequence[Line]) -> str:
    """The table, with the lines below it that it takes to believe it."""
    task = lines[0].evaluations[0].task
    scores = SCORES[task]
    each = [score.name for score in lines[0].evaluations[0].scores if score.name.startswith(f"{EACH[task]}/")]
    several = _several(lines[0])
    columns: dict[str, Callable[[Line], str]] = {
        "": lambda line: line.label + (f", **{line.leak}**" if line.leak else ""),
        "parameters, M": lambda line: f"{line.parameters / 1e6:.2f}",
        "MB": lambda line: f"{line.weights_mb:.1f}",
    }
    for name, title in scores.items():
        columns[f"test {title}"] = lambda line, name=name: line.text(name)
    if several:
        first = next(iter(scores))
        columns[f"each {several.split()[0]}'s {scores[first]}"] = lambda line: "; ".join(
            interval_text(one.scores, first) for one in line.evaluations
        )
    columns["over"] = lambda line: f"{line.evaluations[0].units} {line.evaluations[0].unit}"
    for name in each if len(each) > 1 else ():  # a single label is the mean itself
        columns[f"{EACH[task].replace('dice', 'Dice')}, {name.partition('/')[2]}"] = lambda line, name=name: _number(
            line.mean(name)
        )
    columns["epochs"] = lambda line: _range(line.epochs)
    columns["epoch, s"] = lambda line: f"{line.epoch_s:.1f}"
    columns["answers/s, 1 and 32 at once"] = lambda line: " and ".join(f"{v:,.0f}" for v in line.answers_per_s.values())
    rows = [[column(line) for column in columns.values()] for line in lines]
    body = "\n".join(f"| {' | '.join(row)} |" for row in [list(columns), ["---"] * len(columns), *rows])
    return f"## {asked.title}\n\n{body}\n\n{_below(lines)}"


def _below(lines: Sequence[Line]) -> str:
    first, several = lines[0].evaluations[0], _several(lines[0])
    over = f"mean ± standard deviation over each {several}; " if several else f"seed {first.seed}; "
    threads = sorted({line.threads for line in lines})
    return (
        f"Split: {first.split}. {over[0].upper()}{over[1:]}in brackets the {first.interval}. "
        f"Threads: {', '.join(map(str, threads))}; answers in fp32. {first.citation}."
    )


def _several(line: Line) -> str:
    """What its evaluations are each of: `seed of 0, 1` or `fold of 0, 1, seed 0`; empty where there is one."""
    if len(line.evaluations) == 1:
        return ""
    folds = [", ".join(map(str, one.folds)) for one in line.evaluations]
    if len(set(folds)) == len(folds):
        return f"fold of {', '.join(folds)}, seed {line.evaluations[0].seed}"
    return f"seed of {', '.join(str(one.seed) for one in line.evaluations)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"
