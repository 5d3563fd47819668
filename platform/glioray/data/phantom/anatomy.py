"""One patient's brain: the template turned, scaled, bent and aged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.phantom import atlas
from glioray.data.phantom.fields import SmoothField
from glioray.data.phantom.grid import Floats, PlaneGrid

VENTRICLES_MM = np.array([0.0, -12.0, 14.0], dtype=np.float32)


@dataclass(frozen=True)
class Anatomy:
    """What tells one head from another: pose, shape, age of the brain, thickness of bone and scalp.

    `matrix` and `shift_mm` take scanner millimeters to MNI millimeters; `broad` bends the whole head, `local`
    the folds of the brain inside it.
    """

    matrix: Floats
    shift_mm: Floats
    broad: SmoothField
    local: SmoothField
    texture: SmoothField
    log_fluid: float
    ventricle_growth: float
    bone_mm: float
    scalp_mm: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Anatomy:
        """A new head."""
        return cls(
            matrix=_rotation(rng.normal(0, (5.0, 2.5, 3.0))) / np.float32(rng.uniform(0.93, 1.06, 3)),
            shift_mm=rng.normal(0, 3.0, 3).astype(np.float32) + np.array([0, -16, 8], dtype=np.float32),
            broad=SmoothField.draw(rng, 3, knot_mm=55.0),
            local=SmoothField.draw(rng, 3, knot_mm=14.0),
            texture=SmoothField.draw(rng, 2, knot_mm=9.0),
            log_fluid=float(rng.normal(0.1, 0.5)),
            ventricle_growth=float(rng.uniform(-0.12, 0.42)),
            bone_mm=float(rng.uniform(4.5, 7.5)),
            scalp_mm=float(rng.uniform(-1.5, 2.5)),
        )

    def template_mm(self, grid: PlaneGrid) -> Floats:
        """MNI coordinates (3, X, Y, Z) of every voxel of the grid."""
        points = np.tensordot(self.matrix, grid.points_mm(), axes=1)
        points += self.shift_mm.reshape(3, 1, 1, 1)
        points += 2.8 * self.broad.at(grid)
        return np.asarray(points, dtype=np.float32)


@dataclass(frozen=True)
class Brain:
    """Tissues (3, X, Y, Z) that sum to the brain mask, and millimeters to the brain case, negative inside."""

    tissues: Floats
    case_distance_mm: Floats

    @property
    def mask(self) -> Floats:
        """Brain with its ventricles and sulci, in [0, 1]."""
        return np.asarray(self.tissues.sum(axis=0))


def sample_brain(anatomy: Anatomy, grid: PlaneGrid, points_mm: Floats, case_distance_mm: Floats) -> Brain:
    """Tissues of the patient at MNI points (3, X, Y, Z) of a grid."""
    # The folds wander, but not through the dura.
    folds_mm = 1.7 * anatomy.local.at(grid) * np.clip(-case_distance_mm / 6, 0, 1)
    origin_mm = _widen_ventricles(points_mm + folds_mm, anatomy.ventricle_growth)
    tissues = atlas.load_atlas().tissues.at(origin_mm)
    mask = tissues.sum(axis=0)
    # Sulci differ from patient to patient, and widen with age.
    tissues[atlas.CSF] *= np.exp(anatomy.log_fluid + 0.55 * anatomy.texture.at(grid)[0])
    tissues *= mask / np.clip(tissues.sum(axis=0), 1e-6, None)
    tissues *= _inside_the_case(case_distance_mm)
    return Brain(tissues, case_distance_mm)


def _inside_the_case(case_distance_mm: Floats) -> Floats:
    return np.asarray(np.clip(0.5 - case_distance_mm / 1.5, 0, 1))


def _widen_ventricles(points_mm: Floats, growth: float) -> Floats:
    """Points drawn toward the midline near the ventricles, so that these look wider."""
    x, y, z = points_mm - VENTRICLES_MM.reshape(3, 1, 1, 1)
    nearness = np.exp(-((x / 30) ** 2 + (y / 45) ** 2 + (z / 25) ** 2))
    widened = points_mm.copy()
    widened[0] *= 1 - growth * nearness
    return widened


def _rotation(angles_degree: NDArray[np.float64]) -> Floats:
    """Rotation about x, then y, then z."""
    result = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_degree)):
        turn = np.eye(3)
        first, second = [i for i in range(3) if i != axis]
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return np.asarray(result, dtype=np.float32)
