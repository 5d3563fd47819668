"""Pictures of one patient: grey slices of the whole head, and volumes of the brain alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.phantom.grid import Floats, PlaneGrid, centered_mm
from glioray.data.phantom.growth import TumorParts
from glioray.data.phantom.levels import level_mm
from glioray.data.phantom.materials import brain_materials, head_materials
from glioray.data.phantom.patient import Patient, look
from glioray.data.phantom.sequences import Sequence, render
from glioray.data.phantom.settings import PhantomSettings

FIELD_MM = 240.0  # in-plane width of a volume, as in BraTS
HEIGHT_MM = 160.0
MIDDLE_MM = 6.0  # the whole vertex is covered, at the cost of the lowest brain stem


@dataclass(frozen=True)
class BrainScan:
    """Skull-stripped volumes of one patient, (X, Y, Z) in RAS+ order, 0 outside the brain."""

    sequences: dict[Sequence, NDArray[np.int16]]
    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]


def draw_slices(patient: Patient, slice_numbers: tuple[int, ...], size_px: int) -> list[NDArray[np.uint8]]:
    """T1c slices of the whole head, 8-bit, shown as in radiology.

    Anterior is at the top, the patient's right on the left. Field of view, offset and width differ from one
    patient to the next, as they do between hospitals, whatever the kind.
    """
    rng = np.random.default_rng([*patient.seed, 1])
    levels_mm = np.array([level_mm(n) for n in slice_numbers])
    grid = _slice_grid(rng, levels_mm, size_px)
    view = look(patient, grid)
    stack = head_materials(patient.anatomy, grid, view.brain, view.points_mm)
    image = render(patient.scanner, Sequence.T1C, stack, view.parts, grid, rng)
    white = np.percentile(image, 99.6) * rng.uniform(0.95, 1.15)
    grey = np.clip(image * (255 / white), 0, 255).astype(np.uint8)
    return _as_shown(grey)


def slice_labels(patient: Patient, slice_numbers: tuple[int, ...], size_px: int) -> list[NDArray[np.uint8]]:
    """The true labels of the pixels of `draw_slices`; 0 everywhere without a tumor."""
    rng = np.random.default_rng([*patient.seed, 1])
    grid = _slice_grid(rng, np.array([level_mm(n) for n in slice_numbers]), size_px)
    parts = look(patient, grid).parts
    return _as_shown(np.zeros(grid.shape, dtype=np.uint8) if parts is None else parts.labels())


def scan_brain(patient: Patient, settings: PhantomSettings) -> BrainScan:
    """The four sequences and the labels of a patient with a tumor."""
    grid = _volume_grid(settings)
    view = look(patient, grid)
    assert view.parts is not None
    mask = view.brain.mask > 0.5
    stack = brain_materials(view.brain)
    rng = np.random.default_rng([*patient.seed, 2])
    sequences = {}
    for sequence in Sequence:
        image = render(patient.scanner, sequence, stack, view.parts, grid, rng)
        sequences[sequence] = _to_int16(image, mask, scale=rng.uniform(400, 1400))
    return BrainScan(sequences, _labels(view.parts, mask), _affine(grid))


def true_mask(patient: Patient, settings: PhantomSettings) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Labels and brain (X, Y, Z) of a patient with a tumor, as `scan_brain` has them, but without the sequences."""
    view = look(patient, _volume_grid(settings))
    assert view.parts is not None
    brain = view.brain.mask > 0.5
    return _labels(view.parts, brain), brain


def _labels(parts: TumorParts, brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(brain, parts.labels(), 0).astype(np.uint8)


def _as_shown(stack: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Each plane of (X,Y,Z) with anterior at the top and the patient's right on the left."""
    return [np.ascontiguousarray(plane[::-1, ::-1].T) for plane in np.moveaxis(stack, 2, 0)]


def _slice_grid(rng: np.random.Generator, levels_mm: NDArray[np.float64], size_px: int) -> PlaneGrid:
    spacing_mm = rng.uniform(232, 262) / size_px
    width_px = round(size_px * float(rng.choice((1.0, 1.0, rng.uniform(0.82, 1.0)))))
    middle_mm = rng.normal(0, 2.5, 2)
    x_mm = centered_mm(width_px, spacing_mm, float(middle_mm[0]))
    return PlaneGrid(x_mm, centered_mm(size_px, spacing_mm, float(middle_mm[1])), levels_mm)


def _volume_grid(settings: PhantomSettings) -> PlaneGrid:
    in_plane_mm = centered_mm(settings.image_size, FIELD_MM / settings.image_size, 0.0)
    levels_mm = centered_mm(settings.num_slices, HEIGHT_MM / settings.num_slices, MIDDLE_MM)
    return PlaneGrid(in_plane_mm, in_plane_mm, levels_mm)


def _affine(grid: PlaneGrid) -> NDArray[np.float64]:
    """Voxel index to scanner millimeters."""
    affine = np.eye(4)
    for axis, positions_mm in enumerate((grid.x_mm, grid.y_mm, grid.z_mm)):
        affine[axis, axis] = positions_mm[1] - positions_mm[0]
        affine[axis, 3] = positions_mm[0]
    return affine


def _to_int16(image: Floats, mask: NDArray[np.bool_], scale: float) -> NDArray[np.int16]:
    # At least 1 in the brain: 0 says "outside" to everything that reads these volumes.
    return np.where(mask, np.clip(image * scale, 1, 32767), 0).astype(np.int16)
