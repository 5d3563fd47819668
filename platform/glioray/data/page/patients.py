"""The tumor of each patient: how much of it there is, and in which slices.

Shapes: P patients, K labels, W positions across a stack of slices.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.page.table import Table

MM3_A_ML = 1000


@dataclass(frozen=True)
class Patient:
    """One patient's rows, from the lowest slice up, and the amount of each label (K,) in `unit`."""

    name: str
    part: str
    rows: tuple[int, ...]
    amounts: NDArray[np.float64]

    @property
    def amount(self) -> float:
        """All labels together."""
        return float(self.amounts.sum())


@dataclass(frozen=True)
class Patients:
    """All patients, part after part, the largest tumor first; `unit` is ml, or pixels where a spacing is unknown."""

    patients: tuple[Patient, ...]
    unit: str

    def of(self, part: str) -> tuple[Patient, ...]:
        """The patients of a part, the largest tumor first."""
        return tuple(patient for patient in self.patients if patient.part == part)


def find_patients(table: Table) -> Patients:
    """The patients of a table; none where the data name none."""
    rows: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row, name in enumerate(table.patient):
        if name is not None:
            rows[int(table.part[row]), name].append(row)
    unit = "ml" if table.label_pixels.shape[1] and np.isfinite(table.spacing_mm).all() else "pixels"
    pixel = table.spacing_mm.prod(axis=1) / MM3_A_ML if unit == "ml" else np.ones(len(table))
    found = []
    for (part, name), mine in rows.items():
        ordered = sorted(mine, key=lambda row: (table.slice_index[row], row))
        amounts = (table.label_pixels[ordered] * pixel[ordered, None]).sum(axis=0)
        found.append(Patient(name, table.parts[part], tuple(ordered), amounts))
    found.sort(key=lambda patient: (table.parts.index(patient.part), -patient.amount, patient.name))
    return Patients(tuple(found), unit)


def areas_across(table: Table, patient: Patient, width: int) -> NDArray[np.float64]:
    """(W,) tumor pixels from the patient's lowest slice to the highest; 0 where a slice is not in the data."""
    rows = list(patient.rows)
    heights = table.slice_index[rows]
    areas = table.label_pixels[rows].sum(axis=1)
    gap = float(np.median(np.diff(heights))) if len(heights) > 1 else 1.0
    wanted = np.linspace(heights[0], heights[-1], width)
    nearest = np.abs(heights[None, :] - wanted[:, None]).argmin(axis=1)
    is_near = np.abs(heights[nearest] - wanted) <= max(gap, 1.0)
    return np.where(is_near, areas[nearest], 0).astype(np.float64)
