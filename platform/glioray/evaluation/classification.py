"""How well a classifier does: its confusion by patient or group, its confidence, its surest mistakes.

Shapes: N images, U units, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from glioray.evaluation.answers import Answers
from glioray.evaluation.class_figures import Interval, class_figure, roc_figure
from glioray.evaluation.figures import confusion_figure
from glioray.evaluation.findings import Findings, Picture, Section, Table, score_table
from glioray.evaluation.pictures import scan_sheet
from glioray.evaluation.pool import Pool
from glioray.evaluation.ranking import Ranking, ranking_scores
from glioray.evaluation.scoring import Circumstances, Scores, pooled_scores, together
from glioray.evaluation.side import Row
from glioray.evaluation.sureness import rankings, sureness
from glioray.serving.drawing import grey_picture
from glioray.tasks.classification import NUM_BINS, Classification, bin_of

NUM_MISTAKES = 12


@dataclass(frozen=True)
class _Measures:
    """The task's own, and F1 by class."""

    task: Classification

    def metrics(self, counts: dict[str, Tensor]) -> dict[str, float]:
        confusion = counts["confusion"]
        f1 = 2 * confusion.diagonal() / (confusion.sum(0) + confusion.sum(1))
        by_class = {f"f1/{name}": value for name, value in zip(self.task.classes, f1.tolist(), strict=True)}
        return self.task.metrics(counts) | by_class


def examine(
    task: Classification, pool: Pool, answers: Answers, circumstances: Circumstances, batch_size: int
) -> Findings:
    """Scores what was predicted of the rows of a pool."""
    per_unit = counts_by_unit(task, answers, pool.unit_index, circumstances.units)
    pooled = pooled_scores(_Measures(task), per_unit, circumstances, units_by_figure(task, per_unit["confusion"]))
    unit_index = pool.unit_index.numpy()
    scores = together(
        pooled,
        ranking_scores(_one_against_the_rest(task, answers), unit_index, circumstances, mean="auc"),
        ranking_scores(rankings(answers), unit_index, circumstances),
    )
    confusion = per_unit["confusion"].sum(0).long().tolist()
    sections = (
        Section("Answers by class", pictures=(Picture(confusion_figure(confusion, task.classes), _CONFUSION),)),
        _each_class(task, answers, scores, confusion),
        sureness(answers, scores, per_unit["bins"].sum(0)),
        _mistakes(task, answers, pool, batch_size),
    )
    tables = {"predictions.csv": _table(task, answers, pool)}
    return Findings(scores, tables, sections, tuple(tuple(row) for row in confusion))


def counts_by_unit(task: Classification, answers: Answers, unit_index: Tensor, num_units: int) -> dict[str, Tensor]:
    """The task's counts, kept apart by unit: confusion (U,K,K), and of each bin the confidence and what was right."""
    num_classes = len(task.classes)
    cell = (unit_index * num_classes + answers.truth) * num_classes + answers.predicted
    confusion = torch.bincount(cell, minlength=num_units * num_classes**2)
    bins = torch.zeros(num_units * NUM_BINS, 2, dtype=torch.float64)
    found = torch.stack([answers.confidence.double(), answers.is_right.double()], dim=1)
    return {
        "confusion": confusion.reshape(num_units, num_classes, num_classes).double(),
        "bins": bins.index_add_(0, unit_index * NUM_BINS + bin_of(answers.confidence), found).reshape(
            num_units, NUM_BINS, 2
        ),
    }


def units_by_figure(task: Classification, confusion: Tensor) -> dict[str, int]:
    """Of (U,K,K): units that have the class have a recall, units that were given it as an answer have a precision."""
    holders = {"recall": confusion.sum(2), "precision": confusion.sum(1)}
    return {
        f"{what}/{name}": count
        for what, images in holders.items()
        for name, count in zip(task.classes, (images > 0).sum(0).tolist(), strict=True)
    }


def _one_against_the_rest(task: Classification, answers: Answers) -> tuple[Ranking, ...]:
    """Each class's probability, ranked by whether the image is of the class."""
    said, truth = answers.probabilities.double().numpy(), answers.truth.numpy()
    return tuple(Ranking(f"auc/{name}", said[:, k], truth == k) for k, name in enumerate(task.classes))


def _each_class(task: Classification, answers: Answers, scores: Scores, confusion: list[list[int]]) -> Section:
    measures = {"recall": "recall", "precision": "precision", "F1": "f1", "ROC-AUC": "auc"}
    images = {"images": [sum(row) for row in confusion]}
    bars = {heading: [_ends(scores, f"{name}/{one}") for one in task.classes] for heading, name in measures.items()}
    roc = roc_figure(answers.truth.numpy(), answers.probabilities.numpy(), task.classes)
    pictures = (Picture(class_figure(bars, task.classes), _BARS), Picture(roc, _ROC))
    table = score_table(scores, "class", task.classes, measures, images)
    return Section("Each class", _EACH_CLASS, pictures, table)


def _ends(scores: Scores, name: str) -> Interval:
    """NaN where there is no figure of this name, or no interval of it."""
    for score in scores.defined:
        if score.name == name:
            low, high = (math.nan if end is None else end for end in (score.low, score.high))
            return score.value, low, high
    return math.nan, math.nan, math.nan


def _mistakes(task: Classification, answers: Answers, pool: Pool, batch_size: int) -> Section:
    """The wrong answers of the highest confidence, as pictures."""
    wrong = (~answers.is_right).nonzero()[:, 0]
    if not len(wrong):
        return Section("Surest mistakes", "None: every answer was right.")
    surest = wrong[answers.confidence[wrong].argsort(descending=True, stable=True)][:NUM_MISTAKES].tolist()
    channels = pool.manifest.contents.channels
    images = [grey_picture(image.numpy(), channels) for image in pool.pick(surest, batch_size)["image"]]
    captions = [
        f"{task.classes[answers.truth[row]]} taken for\n{task.classes[answers.predicted[row]]}, "
        f"{answers.confidence[row]:.2f}"
        for row in surest
    ]
    named = [(place, pool.rows[row].source, pool.rows[row].group_id) for place, row in enumerate(surest, start=1)]
    files = Table(("", "file", "group"), tuple(named))
    text = f"{len(wrong)} of {len(answers.truth)} answers are wrong. The surest of them, with their confidence:"
    return Section("Surest mistakes", text, (Picture(scan_sheet(images, captions), "Row by row", is_scan=True),), files)


def _table(task: Classification, answers: Answers, pool: Pool) -> Table:
    """One row an image."""
    body = [
        (*identity, task.classes[truth], task.classes[predicted], *probabilities)
        for identity, truth, predicted, probabilities in zip(
            pool.rows,
            answers.truth.tolist(),
            answers.predicted.tolist(),
            answers.probabilities.tolist(),
            strict=True,
        )
    ]
    return Table((*Row._fields, "truth", "predicted", *(f"probability_{name}" for name in task.classes)), tuple(body))


_CONFUSION = "Images of each true class (row) by the answer (column), and their share of the row."
_EACH_CLASS = (
    "Recall: share of the images of a class that were found. Precision: share of its answers that were right. F1: "
    "their harmonic mean. ROC-AUC, one against the rest: the chance that an image of the class has a higher "
    "probability of it than another image, a tie counting half. A figure without an image to make it of is left out, "
    "of the means too."
)
_BARS = "Each class, with its 95 % interval."
_ROC = "ROC curve of each class against the rest, as the probability that has to be passed falls; dashed: chance."
