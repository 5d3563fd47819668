"""Classifiers side by side: balanced accuracy, same answers, and the images on which they contradict each other most.

Shapes: M models, N images, U units, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

from glioray.errors import DataError
from glioray.evaluation.bootstrap import Floats
from glioray.evaluation.classification import Answers, counts_by_unit, units_by_figure
from glioray.evaluation.comparing.material import Case, Material, Tile
from glioray.evaluation.comparing.paired import recall_parts, share_parts, with_interval
from glioray.evaluation.comparing.result import Agreement
from glioray.evaluation.findings import Table
from glioray.evaluation.pool import Pool
from glioray.evaluation.scoring import Circumstances, pooled_scores
from glioray.evaluation.side import Row
from glioray.serving.drawing import grey_picture, png
from glioray.tasks.classification import Classification

MOST_CASES = 12


def in_order(answers: Answers, order: Sequence[int]) -> Answers:
    """The answers to the same rows in the order of another model."""
    places = torch.tensor(order)
    return Answers(answers.truth[places], answers.probabilities[places])


def examine(
    names: Sequence[str],
    task: Classification,
    pool: Pool,
    answers: Sequence[Answers],
    circumstances: Sequence[Circumstances],
    batch_size: int,
) -> Material:
    """Of every model's answers to the rows of one pool.

    Raises:
        DataError: two models' data give an image two classes.
    """
    for name, other in zip(names, answers, strict=True):
        if not torch.equal(other.truth, answers[0].truth):
            raise DataError(f"{names[0]} and {name}: their data give the same images other classes; give --data")
    counts = [counts_by_unit(task, one, pool.unit_index, len(pool.units)) for one in answers]
    scores = [
        pooled_scores(task, per_unit, where, units_by_figure(task, per_unit["confusion"]))
        for per_unit, where in zip(counts, circumstances, strict=True)
    ]
    pairs = combinations(range(len(names)), 2)
    return Material(
        figure=task.score,
        scores=tuple(scores),
        parts=tuple(recall_parts(per_unit["confusion"].numpy()) for per_unit in counts),
        agreements={pair: agreement(answers[pair[0]], answers[pair[1]], pool.unit_index) for pair in pairs},
        cases=_cases(names, task, pool, answers, batch_size),
        cases_text=_CASES,
        tables={
            "predictions.csv": _by_image(names, task, pool, answers),
            f"{pool.unit}.csv": _by_unit(names, pool, answers),
        },
    )


def agreement(one: Answers, other: Answers, unit_index: Tensor) -> Agreement:
    """Same answers of two models, and who alone is right where they differ; (N,) units of the images."""
    images = torch.bincount(unit_index).numpy()
    same = torch.bincount(unit_index, (one.predicted == other.predicted).double()).numpy()
    value, low, high = with_interval(share_parts(same, images))
    return Agreement(
        value=value,
        low=low,
        high=high,
        kappa=_kappa(one.predicted, other.predicted),
        only_first_right=int((one.is_right & ~other.is_right).sum()),
        only_second_right=int((other.is_right & ~one.is_right).sum()),
        both_wrong=int((~one.is_right & ~other.is_right).sum()),
    )


def _kappa(one: Tensor, other: Tensor) -> float | None:
    """None where both know a single class only: chance alone would then make them agree on all."""
    if len({*one.tolist(), *other.tolist()}) < 2:
        return None
    return float(cohen_kappa_score(one.numpy(), other.numpy()))


def contradiction(answers: Sequence[Answers]) -> Floats:
    """(N,) how far two models' probabilities lie apart at most; 0 where all give the same class.

    Half the sum of the differences, so that 1 is two sure answers of different classes (total variation distance).
    """
    far = [
        0.5 * (one.probabilities - other.probabilities).abs().sum(dim=1) * (one.predicted != other.predicted)
        for one, other in combinations(answers, 2)
    ]
    found: Floats = torch.stack(far).amax(dim=0).double().numpy()
    return found


def first_of_each(ranked: Sequence[int], units: Sequence[int], most: int) -> list[int]:
    """The first of each unit, in their order: near-copies of one image would fill the page."""
    seen: dict[int, int] = {}
    for place in ranked:
        seen.setdefault(units[place], place)
    return list(seen.values())[:most]


def _cases(
    names: Sequence[str], task: Classification, pool: Pool, answers: Sequence[Answers], batch_size: int
) -> tuple[Case, ...]:
    far = contradiction(answers)
    ranked = [int(row) for row in np.argsort(-far, kind="stable") if far[row] > 0]
    chosen = first_of_each(ranked, pool.unit_index.tolist(), MOST_CASES)
    if not chosen:
        return ()
    images = pool.pick(chosen, batch_size)["image"]
    channels = pool.manifest.contents.channels
    return tuple(
        _case(names, task, pool.rows[row], row, answers, png(grey_picture(image.numpy(), channels)))
        for row, image in zip(chosen, images, strict=True)
    )


def _case(
    names: Sequence[str], task: Classification, who: Row, row: int, answers: Sequence[Answers], picture: bytes
) -> Case:
    said = [
        Tile(None, name, f"{task.classes[one.predicted[row]]}, {one.confidence[row]:.2f}", bool(one.is_right[row]))
        for name, one in zip(names, answers, strict=True)
    ]
    truth = task.classes[answers[0].truth[row]]
    return Case(who.source, (Tile(picture, "truth", truth), *said))


def _by_image(names: Sequence[str], task: Classification, pool: Pool, answers: Sequence[Answers]) -> Table:
    """One row an image: the truth, and of each model its answer and how sure it was."""
    truth = [task.classes[index] for index in answers[0].truth.tolist()]
    said = [
        column
        for one in answers
        for column in ([task.classes[index] for index in one.predicted.tolist()], one.confidence.tolist())
    ]
    header = (*Row._fields, "truth", *(f"{what} {name}" for name in names for what in ("answer of", "confidence of")))
    return Table(header, tuple((*who, *cells) for who, *cells in zip(pool.rows, truth, *said, strict=True)))


def _by_unit(names: Sequence[str], pool: Pool, answers: Sequence[Answers]) -> Table:
    """One row a patient or group: its images, and how many of them each model has right."""
    images = torch.bincount(pool.unit_index).tolist()
    right = [torch.bincount(pool.unit_index, one.is_right.double()).long().tolist() for one in answers]
    header = (pool.unit.removesuffix("s"), "images", *(f"right answers of {name}" for name in names))
    return Table(header, tuple(zip(pool.units, images, *right, strict=True)))


_CASES = (
    "Images that two models give different classes, the surest contradiction first; one of each group. Beside each "
    "stand the truth and every model's answer with its probability."
)
