"""How well tumors are outlined: every case on all slices, then mean and median over patients.

Shapes: N slices, V cases, K labels, R regions, S x S pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from glioray.evaluation.agreement import agreement_section, limit_scores
from glioray.evaluation.figures import dice_strip
from glioray.evaluation.findings import Cell, Findings, Picture, Section, Table, score_table
from glioray.evaluation.lesions import KINDS, lesion_scores, lesion_section
from glioray.evaluation.outlines import Outlines
from glioray.evaluation.pictures import segmentation_sheet
from glioray.evaluation.pool import Pool
from glioray.evaluation.scoring import Circumstances, Scores, together, volume_scores
from glioray.evaluation.side import Row
from glioray.evaluation.volumes import Volumes, measure
from glioray.registry.card import digits
from glioray.serving.drawing import grey_picture
from glioray.tasks.segmentation import Segmentation


def examine(
    task: Segmentation, pool: Pool, outlines: Outlines, circumstances: Circumstances, batch_size: int
) -> Findings:
    """Scores the volumes that the predicted slices of a pool make up."""
    volumes = measure(task, pool, outlines)
    scores = together(
        volume_scores(volumes.by_unit, circumstances),
        limit_scores(volumes.sizes, circumstances),
        lesion_scores(task.names, volumes.lesions, volumes.cases, circumstances),
    )
    cases = _case_table(task, pool, volumes)
    dice = {name: volumes.by_unit[f"dice/{name}"] for name in task.names}
    sections = (
        _overlap(task, volumes, scores),
        _errors(task, volumes, scores),
        _distance(task, volumes, scores, outlines.is_in_mm),
        lesion_section(task.names, volumes.lesions, scores, outlines.is_in_mm),
        agreement_section(volumes.sizes, scores, volumes.units_with.tolist()),
        Section("Patient by patient", pictures=(Picture(dice_strip(dice), _STRIP),)),
        _examples(task, pool, volumes, outlines, batch_size),
        Section("All patients", table=_for_reading(cases, outlines.distance, len(pool.cases) > len(pool.units))),
    )
    tables = {"predictions.csv": _slice_table(task, outlines.pixels, pool), "patients.csv": cases}
    without = dict(zip(task.names, volumes.without_distance.tolist(), strict=True))
    return Findings(scores, tables, sections, without_distance=without)


def _overlap(task: Segmentation, volumes: Volumes, scores: Scores) -> Section:
    headings = {"Dice, mean": "dice", "Dice, median": "median_dice", "IoU": "iou", "precision": "precision"}
    table = score_table(scores, "", task.names, {**headings, "recall": "recall"}, {"patients": volumes.units_with})
    return Section("Each label and region", f"{_RULE}{_regions_text(task)}", table=table)


def _errors(task: Segmentation, volumes: Volumes, scores: Scores) -> Section:
    headings = {"missed (FNR)": "fnr", "false (FPR)": "fpr"}
    table = score_table(scores, "", task.names, headings, {"patients": volumes.units_with})
    return Section("Missed and false pixels", _ERRORS, table=table)


def _distance(task: Segmentation, volumes: Volumes, scores: Scores, is_in_mm: bool) -> Section:
    unit = "mm" if is_in_mm else "px"
    headings = {f"mean, {unit}": f"hd95_{unit}", f"median, {unit}": f"median_hd95_{unit}"}
    counts = {"cases measured": volumes.distances, "cases without one": volumes.without_distance}
    table = score_table(scores, "", task.names, headings, counts)
    return Section("Distance of the outlines (HD95)", f"{_DISTANCE}{_IN_MM if is_in_mm else _IN_PX}", table=table)


def _examples(task: Segmentation, pool: Pool, volumes: Volumes, outlines: Outlines, batch_size: int) -> Section:
    """The worst cases, the median and the best ones, each on the slice that shows most tumor."""
    dice = volumes.by_case["dice"]
    chosen = _chosen_cases(dice)
    if not chosen:
        return Section("Worst, median and best patients", "No patient has a tumor, and none was predicted.")
    shown = [outlines.cases[pool.cases[place]] for place in chosen.values()]
    picked = pool.pick([case.widest_row for case in shown], batch_size)
    predictions = np.stack([case.widest_prediction for case in shown])
    channels = pool.manifest.contents.channels
    images = np.stack([grey_picture(image.numpy(), channels) for image in picked["image"]])
    captions = [
        f"{rank}: Dice {dice[place]:.2f}\n{_shortened(pool.cases[place].case_id)}" for rank, place in chosen.items()
    ]
    sheet = segmentation_sheet(images, picked["mask"].numpy(), predictions, task.labels, captions)
    return Section("Worst, median and best patients", _EXAMPLES, (Picture(sheet, "", is_scan=True),))


def _chosen_cases(overall: NDArray[np.float64]) -> dict[str, int]:
    """Place of the cases at the ends and in the middle; fewer where there are not three."""
    order = [int(index) for index in np.argsort(overall, kind="stable") if not math.isnan(overall[index])]
    if len(order) < 3:
        return dict(zip(("worst", "best"), order, strict=False))
    found = {"worst": order[0], "median": order[len(order) // 2], "best": order[-1]}
    if len(order) < 6:
        return found
    further = {"second worst": order[1], "third worst": order[2]}
    return {"worst": order[0], **further, "median": found["median"], "second best": order[-2], "best": order[-1]}


def _case_table(task: Segmentation, pool: Pool, volumes: Volumes) -> Table:
    """One row a case: its figures, its volumes, its lesions."""
    sizes = volumes.sizes_by_case
    columns = volumes.by_case | {
        f"{which}_volume_{sizes.unit}/{name}": values
        for which, by_name in (("predicted", sizes.predicted), ("true", sizes.true))
        for name, values in by_name.items()
    }
    lesions = [f"lesions_{kind}_{name}" for name in task.names for kind in KINDS]
    header = ("patient_id", "case_id", "slices", *(name.replace("/", "_") for name in columns), *lesions)
    body = []
    for place, (key, unit) in enumerate(zip(pool.cases, pool.unit_of_case.tolist(), strict=True)):
        values = [_or_none(figures[place]) for figures in columns.values()]
        counts = volumes.lesions_by_case[place].ravel().tolist()
        body.append((pool.units[unit], key.case_id, int(volumes.slices[place]), *values, *counts))
    return Table(header, tuple(body))


def _for_reading(cases: Table, distance: str, has_several: bool) -> Table:
    """Dice, and HD95 over the labels, worst case first; the case is named where a patient has several."""
    shown = {"patient_id": "patient", "case_id": "case", "slices": "slices", **_overall("dice", "Dice")}
    shown |= _overall(distance, f"HD95 ({distance[-2:]})")
    shown |= {name: name.replace("dice_", "Dice ") for name in cases.header if name.startswith("dice_")}
    columns = [n for n, name in enumerate(cases.header) if name in shown and (has_several or name != "case_id")]
    dice = cases.header.index("dice")
    ranked = sorted(cases.rows, key=lambda row: _or_last(row[dice]))
    body = [tuple(_rounded(row[n], cases.header[n]) for n in columns) for row in ranked]
    return Table(tuple(shown[cases.header[n]] for n in columns), tuple(body))


def _or_last(cell: Cell) -> float:
    return cell if isinstance(cell, float) else math.inf


def _overall(measure: str, heading: str) -> dict[str, str]:
    return {measure: f"{heading}, mean over labels", f"region_{measure}": f"{heading}, mean over regions"}


def _slice_table(task: Segmentation, pixels: Tensor, pool: Pool) -> Table:
    """One row a slice: pixels that are true positives, false positives, false negatives, by label and region."""
    header = (*Row._fields, *(f"{name}_{kind}" for name in task.names for kind in ("tp", "fp", "fn")))
    counts = pixels.long().flatten(1).tolist()
    return Table(header, tuple((*who, *row) for who, row in zip(pool.rows, counts, strict=True)))


def _regions_text(task: Segmentation) -> str:
    parts = [f"{region} is {' + '.join(names)}" for region, names in task.regions.items()]
    return f" Regions: {'; '.join(parts)}." if parts else ""


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _rounded(cell: Cell, name: str) -> Cell:
    if isinstance(cell, float):
        return f"{cell:.{digits(name)}f}"
    return "–" if cell is None else cell


def _shortened(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:10]}…{name[-10:]}"


_RULE = (
    "Pixels are counted over all slices of a case (a scan of a patient), those without tumor too, and then divided; a "
    "patient with several cases counts once, with their mean; mean and median are over patients. A case without a "
    "label, for which none was predicted, has no Dice of it and is left out; where the label was predicted all the "
    "same, its Dice is 0. Precision needs a predicted pixel, recall a true one. Patients: those who have the label."
)
_ERRORS = (
    "Missed: the share of the true pixels that was not predicted (false negative rate, 1 - recall). False: the share "
    "of all pixels without the label that was predicted all the same (false positive rate); most of a slice is far "
    "from any tumor, so that it is always small. Means over patients; a case without a true pixel has no false "
    "negative rate."
)
_DISTANCE = (
    "95th percentile of the distances from the outline of the prediction to that of the truth, and of those the other "
    "way round; the larger of the two. Smaller is better. A case without a label, for which none was predicted, is not "
    "counted. Where only one of the two has the label there is no distance: such cases are counted as being without "
    "one, and left out of mean and median (BraTS puts 373.13 mm in its place). "
)
_IN_MM = "Measured in three dimensions over all slices of a case, in mm of the scan."
_IN_PX = (
    "These data do not say how far their pixels and slices lie apart. So it is measured in each slice, in px of the "
    "prepared image; that of a case is the mean over the slices that show the label in both."
)
_STRIP = "Each dot is a patient, on all slices. n counts those for whom the label is defined."
_EXAMPLES = "Ranked by Dice, mean over the labels; shown is the slice with the most tumor."
