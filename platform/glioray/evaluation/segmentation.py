"""How well tumors are outlined: every patient on all slices, then mean and median over patients.

Shapes: N slices, U patients, K labels, R regions, S x S pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioray.evaluation.figures import dice_strip
from glioray.evaluation.findings import Cell, Findings, Picture, Section, Table, score_table
from glioray.evaluation.pictures import segmentation_sheet
from glioray.evaluation.scoring import Circumstances, mean_over_labels, volume_scores
from glioray.evaluation.side import COLUMNS, SideRows
from glioray.serving.drawing import grey_picture
from glioray.serving.predictor import Predictor
from glioray.tasks._contract import Batch
from glioray.tasks.segmentation import Segmentation

MEASURES = ("dice", "iou", "precision", "recall")


@dataclass(frozen=True)
class Volumes:
    """The patients (U) of a side and their figures (U,K+R) by measure."""

    patients: tuple[str, ...]
    slices: NDArray[np.int64]
    measured: dict[str, NDArray[np.float64]]
    overall: NDArray[np.float64]
    """(U,) Dice, mean over the labels; NaN where a patient has no label, and none was predicted"""


def examine(
    task: Segmentation,
    predictor: Predictor,
    rows: SideRows,
    circumstances: Circumstances,
    batch_size: int,
    on_progress: Callable[[int, int], None],
) -> Findings:
    """Predicts every slice of the side and scores the volumes that they make up."""
    counted = [
        slice_pixels(task, answer, batch) for batch, answer in rows.predicted(predictor, batch_size, on_progress)
    ]
    pixels = torch.cat(counted)
    by_patient = torch.zeros(circumstances.units, *pixels.shape[1:], dtype=torch.float64)
    by_patient.index_add_(0, rows.unit_index, pixels)
    scores = volume_scores(task, by_patient, circumstances)
    volumes = _volumes(task, by_patient, rows)
    strip = Picture(dice_strip(dict(zip(task.names, volumes.measured["dice"].T, strict=True))), _STRIP)
    headings = {"Dice, mean": "dice", "Dice, median": "median_dice", "IoU": "iou", "precision": "precision"}
    shown = ("patients", torch.count_nonzero(by_patient[..., 0] + by_patient[..., 2], dim=0).tolist())
    each = score_table(scores, "", task.names, {**headings, "recall": "recall"}, shown)
    patients = _patient_table(task, volumes)
    sections = (
        Section("Each label and region", f"{_RULE}{_regions_text(task)}", table=each),
        Section("Patient by patient", pictures=(strip,)),
        _examples(task, predictor, volumes, pixels, rows, batch_size),
        Section("All patients", table=_for_reading(patients)),
    )
    return Findings(scores, {"predictions.csv": _slice_table(task, pixels, rows), "patients.csv": patients}, sections)


def slice_pixels(task: Segmentation, probabilities: Tensor, batch: Batch) -> Tensor:
    """(B,K+R,3) pixels of each slice: in both, only predicted, only true."""
    num_slices = len(probabilities)
    alone = replace(task, num_patients=num_slices)
    return alone.counts(probabilities, {**batch, "patient_index": torch.arange(num_slices)})["pixels"]


def _volumes(task: Segmentation, by_patient: Tensor, rows: SideRows) -> Volumes:
    measured = {name: values.numpy() for name, values in task.by_patient({"pixels": by_patient}).items()}
    overall = mean_over_labels(measured["dice"][:, : len(task.labels)])
    slices = np.bincount(rows.unit_index.numpy(), minlength=len(by_patient))
    return Volumes(rows.units, slices, measured, overall)


def _examples(
    task: Segmentation, predictor: Predictor, volumes: Volumes, pixels: Tensor, rows: SideRows, batch_size: int
) -> Section:
    """The worst, the median and the best patient, each on the slice that shows most tumor."""
    chosen = _chosen_patients(volumes.overall)
    if not chosen:
        return Section("Worst, median and best patient", "No patient has a tumor, and none was predicted.")
    numbers = [_widest_slice(pixels, rows.unit_index == patient, len(task.labels)) for patient in chosen.values()]
    picked = rows.pick(numbers, batch_size)
    predictions = task.label_map(predictor.predict(picked["image"])).numpy()
    channels = rows.dataset.manifest.contents.channels
    images = np.stack([grey_picture(image.numpy(), channels) for image in picked["image"]])
    captions = [
        f"{rank}: Dice {volumes.overall[patient]:.2f}\n{_shortened(volumes.patients[patient])}"
        for rank, patient in chosen.items()
    ]
    sheet = segmentation_sheet(images, picked["mask"].numpy(), predictions, task.labels, captions)
    return Section("Worst, median and best patient", _EXAMPLES, (Picture(sheet, "", is_scan=True),))


def _chosen_patients(overall: NDArray[np.float64]) -> dict[str, int]:
    """Place of the patients at the ends and in the middle; fewer where there are not three."""
    order = [int(index) for index in np.argsort(overall, kind="stable") if not math.isnan(overall[index])]
    if len(order) < 3:
        return dict(zip(("worst", "best"), order, strict=False))
    return {"worst": order[0], "median": order[len(order) // 2], "best": order[-1]}


def _widest_slice(pixels: Tensor, of_patient: Tensor, num_labels: int) -> int:
    """Row of the patient's slice with the most true pixels; where there are none, the most predicted ones."""
    both, over, under = pixels[:, :num_labels].sum(1).unbind(-1)
    area = both + under
    if not area[of_patient].any():
        area = both + over
    return int(torch.where(of_patient, area, -1).argmax())


def _patient_table(task: Segmentation, volumes: Volumes) -> Table:
    header = ("patient_id", "slices", "dice", *(f"{measure}_{name}" for measure in MEASURES for name in task.names))
    body = []
    for place, patient in enumerate(volumes.patients):
        values = [value for measure in MEASURES for value in volumes.measured[measure][place]]
        body.append((patient, int(volumes.slices[place]), *map(_or_none, [volumes.overall[place], *values])))
    return Table(header, tuple(body))


def _for_reading(patients: Table) -> Table:
    """Dice alone, worst patient first, three digits."""
    columns = [index for index, name in enumerate(patients.header) if not name.startswith(MEASURES[1:])]
    ranked = sorted(patients.rows, key=lambda row: row[2] if isinstance(row[2], float) else math.inf)
    header = [patients.header[index].replace("dice_", "Dice ").replace("_id", "") for index in columns]
    body = [tuple(_rounded(row[index]) for index in columns) for row in ranked]
    return Table(tuple("Dice, mean over labels" if name == "dice" else name for name in header), tuple(body))


def _slice_table(task: Segmentation, pixels: Tensor, rows: SideRows) -> Table:
    """One row a slice: pixels that are true positives, false positives, false negatives, by label and region."""
    header = (*COLUMNS, *(f"{name}_{kind}" for name in task.names for kind in ("tp", "fp", "fn")))
    counts = pixels.long().flatten(1).tolist()
    return Table(header, tuple((*who, *row) for who, row in zip(rows.identity, counts, strict=True)))


def _regions_text(task: Segmentation) -> str:
    parts = [f"{region} is {' + '.join(names)}" for region, names in task.regions.items()]
    return f" Regions: {'; '.join(parts)}." if parts else ""


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _rounded(cell: Cell) -> Cell:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return "–" if cell is None else cell


def _shortened(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:10]}…{name[-10:]}"


_RULE = (
    "Pixels are counted over all slices of a patient, those without tumor too, and then divided; mean and median are "
    "over patients. A patient without a label, for whom none was predicted, has no Dice of it and is left out; where "
    "the label was predicted all the same, its Dice is 0. Precision needs a predicted pixel, recall a true one. "
    "Patients: those who have the label."
)
_STRIP = "Each dot is a patient, on all slices. n counts those for whom the label is defined."
_EXAMPLES = "Ranked by Dice, mean over the labels; shown is the slice with the most tumor."
