"""One patient, slice by slice: a sheet of frames for each sequence and one for each label.

The page moves the sheets behind a window of one frame. Shapes: F frames, C channels, H x W pixels of a frame.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glioray.data.page.patients import Patient, Patients
from glioray.data.page.scans import iterate_pixels, label_color
from glioray.data.page.sprites import Window, grey_sheet, head_window, label_sheet
from glioray.data.page.table import Table
from glioray.data.prepared import PreparedDataset

MOST_FRAMES = 80
FEWEST_SLICES = 6


@dataclass(frozen=True)
class Walk:
    """What the page needs to show a patient; `captions` is a JSON list, a line for each frame."""

    patient: str
    part: str
    num_slices: int
    num_frames: int
    columns: int
    lines: int
    first: int
    aspect: str
    captions: str
    first_caption: str
    sheets: dict[str, str]
    labels: dict[str, str]

    def place(self, frame: int) -> tuple[str, str]:
        """Where the sheet must stand for a frame to be in the window, in percent as CSS has it."""
        column, line = frame % self.columns, frame // self.columns
        return _percent(column, self.columns), _percent(line, self.lines)


def walk_of(dataset: PreparedDataset, table: Table, patients: Patients) -> Walk | None:
    """The patient with the largest tumor of val, or of the first part with any; none where nobody has slices."""
    patient = _telling_patient(table, patients)
    if patient is None:
        return None
    rows = _frames(table, patient)
    columns = math.ceil(math.sqrt(len(rows)))
    window, sheets, labels = _drawn(dataset, table, rows, columns)
    first = int(table.label_pixels[rows].sum(axis=1).argmax()) if labels else len(rows) // 2
    captions = _captions(table, rows)
    return Walk(
        patient=patient.name,
        part=patient.part,
        num_slices=len(patient.rows),
        num_frames=len(rows),
        columns=columns,
        lines=math.ceil(len(rows) / columns),
        first=first,
        aspect=_aspect(table, rows, window),
        captions=json.dumps(captions),
        first_caption=captions[first],
        sheets=sheets,
        labels=labels,
    )


def _telling_patient(table: Table, patients: Patients) -> Patient | None:
    # Val before train: its rows stand by patient, so that few row groups must be read.
    parts = sorted(table.parts, key=lambda part: (part != "val", part == "test", table.parts.index(part)))
    many = [patient for patient in patients.patients if len(patient.rows) >= FEWEST_SLICES]
    for part in parts:
        mine = [patient for patient in many if patient.part == part]
        if table.label_pixels.shape[1]:
            mine = [patient for patient in mine if patient.amount]
        if mine:
            return max(mine, key=lambda patient: (patient.amount, len(patient.rows), patient.name))
    return None


def _frames(table: Table, patient: Patient) -> list[int]:
    """Rows that show the head or a tumor, evenly fewer where there are many."""
    rows = np.array(patient.rows)
    shows = (table.brain_fraction[rows] > 0.02) | table.label_pixels[rows].any(axis=1)
    kept = rows[shows] if shows.sum() >= FEWEST_SLICES else rows
    if len(kept) > MOST_FRAMES:
        kept = kept[np.linspace(0, len(kept) - 1, MOST_FRAMES).round().astype(int)]
    return [int(row) for row in kept]


def _drawn(
    dataset: PreparedDataset, table: Table, rows: Sequence[int], columns: int
) -> tuple[Window, dict[str, str], dict[str, str]]:
    """What of each slice is shown, the sheet of each sequence, and of each label where there are masks."""
    contents = dataset.manifest.contents
    pixels = dict(iterate_pixels(dataset, table, rows))
    images = np.stack([pixels[row]["image"] for row in rows], axis=1)
    window = head_window(images)
    sheets = {name: grey_sheet(images[place], window, columns) for place, name in enumerate(contents.channels)}
    if not contents.labels:
        return window, sheets, {}
    masks = np.stack([pixels[row]["mask"] for row in rows])
    labels = {
        name: label_sheet(masks == value, window, columns, label_color(place))
        for place, (name, value) in enumerate(contents.labels.items())
    }
    return window, sheets, labels


def _captions(table: Table, rows: Sequence[int]) -> list[str]:
    areas = table.label_pixels[list(rows)].sum(axis=1)
    is_known = bool(np.isfinite(table.spacing_mm[list(rows)]).all())
    captions = []
    for row, area in zip(rows, areas.tolist(), strict=True):
        pixel_cm2 = float(table.spacing_mm[row, 1:].prod()) / 100
        words = f"{area * pixel_cm2:.1f} cm²" if is_known else f"{area:,} pixels"
        tumor = f", tumor {words}" if area else ""
        captions.append(f"slice {table.slice_index[row]}{tumor}")
    return captions


def _aspect(table: Table, rows: Sequence[int], window: Window) -> str:
    """Width by height of a frame as it stands in the head, for CSS."""
    height, width = (float(span.stop - span.start) for span in window)
    _, row_mm, column_mm = table.spacing_mm[rows[0]].tolist()
    if math.isfinite(row_mm * column_mm):
        height, width = height * row_mm, width * column_mm
    return f"{width:.3f} / {height:.3f}"


def _percent(place: int, count: int) -> str:
    return f"{100 * place / (count - 1):.4f}%" if count > 1 else "0%"
