"""Which axial levels of a patient are shown, and how large the tumor is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.phantom.grid import PlaneGrid, centered_mm
from glioray.data.phantom.growth import EDEMA
from glioray.data.phantom.patient import Patient, look
from glioray.data.phantom.tumor import Kind

SURVEY_MM = 2.0
STEP_MM = 0.5  # slices are numbered on this ladder
BOTTOM_MM = -128.0
SMALLEST_AREA = 0.4  # of the largest cross-section: every slice of a tumor kind shows the tumor plainly


@dataclass(frozen=True)
class Survey:
    """Levels (slice numbers) through the tumor core, and volumes by label."""

    slice_numbers: tuple[int, ...]
    volume_ml: dict[str, float]


def survey(patient: Patient, num_levels: int) -> Survey:
    """Look at a box round the tumor; for notumor round the place that one might have had."""
    box = _box_round_the_tumor(patient)
    parts = look(patient, box, imagined=True).parts
    assert parts is not None
    labels = parts.labels()
    areas = ((labels > 0) & (labels != EDEMA)).sum(axis=(0, 1))
    shown_mm = box.z_mm[areas >= SMALLEST_AREA * areas.max()]
    levels_mm = np.linspace(shown_mm[0], shown_mm[-1], num_levels)
    numbers = tuple(int(n) for n in np.round((levels_mm - BOTTOM_MM) / STEP_MM))
    return Survey(numbers, {} if patient.kind is Kind.NOTUMOR else volumes_ml(labels, SURVEY_MM**3))


def level_mm(slice_number: int) -> float:
    """Height of a numbered slice in the scanner."""
    return BOTTOM_MM + STEP_MM * slice_number


def volumes_ml(labels: NDArray[np.uint8], voxel_mm3: float) -> dict[str, float]:
    """Volume of every label that is there."""
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    return {str(v): round(float(c) * voxel_mm3 / 1000, 3) for v, c in zip(values, counts, strict=True)}


def _box_round_the_tumor(patient: Patient) -> PlaneGrid:
    anatomy, tumor = patient.anatomy, patient.tumor
    # The bend is left out here; the margin covers it.
    middle_mm = np.linalg.solve(anatomy.matrix, tumor.center_mm - anatomy.shift_mm)
    num = int(2 * (1.6 * tumor.radius_mm + 14) / SURVEY_MM)
    x_mm, y_mm, z_mm = (centered_mm(num, SURVEY_MM, float(m)) for m in middle_mm)
    return PlaneGrid(x_mm, y_mm, z_mm)
