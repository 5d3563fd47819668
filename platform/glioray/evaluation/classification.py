"""How well a classifier does: its confusion by patient or group, its confidence, its surest mistakes.

Shapes: N images, U units, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glioray.evaluation.figures import confidence_figure, confusion_figure, reliability_figure
from glioray.evaluation.findings import Findings, Picture, Section, Table, score_table
from glioray.evaluation.pictures import scan_sheet
from glioray.evaluation.pool import Pool
from glioray.evaluation.scoring import Circumstances, pooled_scores
from glioray.evaluation.side import Row, SideRows
from glioray.serving.drawing import grey_picture
from glioray.serving.predictor import Predictor
from glioray.tasks.classification import NUM_BINS, Classification, bin_of

NUM_MISTAKES = 12


@dataclass(frozen=True)
class Answers:
    """The truth (N,) and the probabilities (N,K) of every row."""

    truth: Tensor
    probabilities: Tensor

    @property
    def predicted(self) -> Tensor:
        """(N,) the most probable class."""
        return self.probabilities.argmax(dim=1)

    @property
    def confidence(self) -> Tensor:
        """(N,) its probability."""
        return self.probabilities.amax(dim=1)

    @property
    def is_right(self) -> Tensor:
        """(N,) whether it is the truth."""
        return self.predicted == self.truth


def answer(predictor: Predictor, rows: SideRows, batch_size: int, on_progress: Callable[[int, int], None]) -> Answers:
    """Predicts every row of a side."""
    predicted = [(batch["label"], found) for batch, found in rows.predicted(predictor, batch_size, on_progress)]
    truth, probabilities = zip(*predicted, strict=True)
    return Answers(torch.cat(truth), torch.cat(probabilities))


def joined(parts: Sequence[Answers]) -> Answers:
    """Of several sides, in their order."""
    return Answers(torch.cat([part.truth for part in parts]), torch.cat([part.probabilities for part in parts]))


def examine(
    task: Classification, pool: Pool, answers: Answers, circumstances: Circumstances, batch_size: int
) -> Findings:
    """Scores what was predicted of the rows of a pool."""
    per_unit = counts_by_unit(task, answers, pool.unit_index, circumstances.units)
    scores = pooled_scores(task, per_unit, circumstances, units_by_figure(task, per_unit["confusion"]))
    confusion = per_unit["confusion"].sum(0).long().tolist()
    measures = {"recall": "recall", "precision": "precision"}
    images = {"images": [sum(row) for row in confusion]}
    sections = (
        Section("Answers by class", pictures=(Picture(confusion_figure(confusion, task.classes), _CONFUSION),)),
        Section("Each class", _EACH_CLASS, table=score_table(scores, "class", task.classes, measures, images)),
        _confidence(task, answers, per_unit["bins"].sum(0)),
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


def _confidence(task: Classification, answers: Answers, bins: Tensor) -> Section:
    """How sure it was where it was right and where it was wrong, and how right it was where it was as sure."""
    counts = torch.bincount(bin_of(answers.confidence), minlength=NUM_BINS)
    sure, right = (bins / counts[:, None]).T.numpy()
    shares = confidence_figure(answers.confidence.numpy(), answers.is_right.numpy(), len(task.classes))
    reliability = reliability_figure(sure, right, counts.numpy())
    pictures = (Picture(shares, "Share of right and of wrong answers"), Picture(reliability, _RELIABILITY))
    return Section("Confidence", _CONFIDENCE, pictures)


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
_EACH_CLASS = "Recall: share of the images of a class that were found. Precision: share of its answers that were right."
_CONFIDENCE = (
    "The probability of the answer that was given. A model to rely on is unsure where it is wrong, and right as often "
    "as it says: the calibration error is the mean distance from that."
)
_RELIABILITY = (
    "How often it was right where it was as sure; on the line it is as sure as it may be. Larger: more images."
)
