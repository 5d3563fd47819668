"""Which rows are worth a picture: samples, clusters of copies, copies with two labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from glioray.data.manifest import Manifest
from glioray.data.page.patients import Patients
from glioray.data.page.table import Table

SAMPLES_A_CLASS = 12
PATIENTS_SHOWN = 18
LARGEST_CLUSTERS, PICTURES_A_CLUSTER = 8, 10
MOST_CONFLICTS = 12
T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A row that is shown, with the lines under its picture."""

    row: int
    caption: str
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """Pictures that belong together, under a title."""

    title: str
    shown: tuple[Shown, ...]


def sample_sheets(table: Table, manifest: Manifest, patients: Patients) -> list[Sheet]:
    """A sheet of each class, or one of patients from the largest tumor to the smallest."""
    if manifest.contents.task == "segmentation":
        return [_sheet_of_patients(table, patients)]
    sheets = []
    for label, name in enumerate(manifest.contents.classes):
        rows = np.flatnonzero(table.label == label).tolist()
        shown = [Shown(row, table.part_of(row)) for row in _spread(_plain_slices(table, rows), SAMPLES_A_CLASS)]
        sheets.append(Sheet(f"{name} ({len(rows):,})", tuple(shown)))
    return sheets


def largest_clusters(table: Table, whole_group: Callable[[str], str] = str) -> list[Sheet]:
    """The largest groups of near-copies, each whole; none where no image has a copy."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(table.group):
        members[whole_group(group)].append(row)
    largest = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))[:LARGEST_CLUSTERS]
    return [_cluster(table, group, rows) for group, rows in largest if len(rows) > 1]


def conflict_sheets(table: Table, manifest: Manifest) -> list[Sheet]:
    """Groups of copies that carry two labels."""
    by_source = {source: row for row, source in enumerate(table.source)}
    sheets = []
    for files in (manifest.duplicates.conflicts if manifest.duplicates else ())[:MOST_CONFLICTS]:
        rows = [by_source[source] for source in files if source in by_source][:PICTURES_A_CLUSTER]
        classes = manifest.contents.classes
        shown = [Shown(row, classes[table.label[row]], table.source[row]) for row in rows]
        sheets.append(Sheet(f"{len(files):,} images", tuple(shown)))
    return sheets


def _sheet_of_patients(table: Table, patients: Patients) -> Sheet:
    by_amount = sorted(patients.patients, key=lambda patient: (-patient.amount, patient.name))
    shown = []
    for patient in _spread(by_amount, PATIENTS_SHOWN):
        areas = table.label_pixels[list(patient.rows)].sum(axis=1)
        best = int(areas.argmax()) if areas.any() else len(areas) // 2
        amount = f"{patient.amount:,.1f} ml" if patients.unit == "ml" else f"{patient.amount:,.0f} px"
        shown.append(Shown(patient.rows[best], patient.name, f"{patient.part}, {amount}"))
    return Sheet("", tuple(shown))


def _plain_slices(table: Table, rows: Sequence[int]) -> Sequence[int]:
    """Of stacks of slices those that show enough of the head."""
    if not rows or table.patient[rows[0]] is None:
        return rows
    typical = float(np.median(table.brain_fraction[list(rows)]))
    return [row for row in rows if table.brain_fraction[row] >= typical]


def _cluster(table: Table, group: str, rows: Sequence[int]) -> Sheet:
    parts = ", ".join(table.parts[part] for part in sorted({int(table.part[row]) for row in rows}))
    shown = [Shown(row, "") for row in _spread(rows, PICTURES_A_CLUSTER)]
    return Sheet(f"{group}: {len(rows):,} images, in {parts}", tuple(shown))


def _spread(items: Sequence[T], count: int) -> Sequence[T]:
    if len(items) <= count:
        return items
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]
