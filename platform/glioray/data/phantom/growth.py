"""How a tumor grows into a brain and pushes it aside, on any grid.

Labels are those of BraTS: 1 necrotic core, 2 edema, 4 enhancing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.phantom import atlas
from glioray.data.phantom.grid import Floats, PlaneGrid
from glioray.data.phantom.tumor import Kind, Tumor

NECROTIC, EDEMA, ENHANCING = 1, 2, 4


@dataclass(frozen=True)
class TumorParts:
    """Fractions in [0, 1], each (X, Y, Z); a grain for texture; how strongly contrast agent is taken up."""

    necrotic: Floats
    edema: Floats
    enhancing: Floats
    grain: Floats
    brightness: float

    def labels(self) -> NDArray[np.uint8]:
        """BraTS labels (X, Y, Z): the part that fills most of the voxel."""
        core = self.necrotic + self.enhancing
        label = np.where(self.edema > 0.5, EDEMA, 0)
        label = np.where(core > 0.5, np.where(self.necrotic > self.enhancing, NECROTIC, ENHANCING), label)
        return label.astype(np.uint8)


def displace(tumor: Tumor, points_mm: Floats, case_distance_mm: Floats) -> Floats:
    """Where the tissue now at the points (3, X, Y, Z) came from before the tumor pushed it."""
    offset = points_mm - tumor.center_mm.reshape(3, 1, 1, 1)
    squared = (offset**2).sum(axis=0) / (1.6 * tumor.radius_mm) ** 2
    # Bone does not yield: nothing moves at the brain case, except along it beside a meningioma.
    free = 1.0 if tumor.kind is Kind.MENINGIOMA else np.clip(-case_distance_mm / 9, 0, 1)
    return np.asarray(points_mm - offset * (tumor.push * free * np.exp(-squared)), dtype=np.float32)


def grow(tumor: Tumor, grid: PlaneGrid, points_mm: Floats, tissues: Floats, case_distance_mm: Floats) -> TumorParts:
    """Parts of the tumor on a grid, from the displaced tissues (3, X, Y, Z) round it."""
    noise, grain = tumor.shape.at(grid), tumor.grain.at(grid)
    offset = (points_mm - tumor.center_mm.reshape(3, 1, 1, 1)) / tumor.stretch.reshape(3, 1, 1, 1)
    depth_mm = tumor.radius_mm - np.sqrt((offset**2).sum(axis=0))
    depth_mm += tumor.roughness * tumor.radius_mm * (noise[0] + 0.35 * grain[0])
    if tumor.kind is Kind.GLIOMA:
        depth_mm = np.minimum(depth_mm, -case_distance_mm)  # a rim toward the dura too
        return _grow_glioma(tumor, depth_mm, points_mm, tissues, noise, grain)
    if tumor.kind is Kind.MENINGIOMA:
        tail_mm = np.minimum(depth_mm + 0.35 * tumor.radius_mm, 1.3 - np.abs(case_distance_mm + 0.8))
        depth_mm = np.maximum(np.minimum(depth_mm, -case_distance_mm + 0.5), tail_mm)
    solid = np.clip(depth_mm / 1.2 + 0.5, 0, 1).astype(np.float32)
    nothing = np.zeros_like(solid)
    return TumorParts(nothing, nothing, solid, tumor.graininess * grain[1], tumor.brightness)


def _grow_glioma(
    tumor: Tumor, depth_mm: Floats, points_mm: Floats, tissues: Floats, noise: Floats, grain: Floats
) -> TumorParts:
    """Ragged core with a rim of uneven width, and edema in fingers along the white matter."""
    mask = tissues.sum(axis=0)
    # A hemisphere is not left across the falx, only (slowly) through the corpus callosum.
    across_mm = np.clip(-points_mm[0] * np.sign(tumor.center_mm[0]), 0, None)
    depth_mm = depth_mm - 0.7 * across_mm
    core = np.clip(depth_mm / 1.5 + 0.5, 0, 1) * mask
    rim_mm = tumor.radius_mm * np.clip(tumor.rim * (1 + 0.7 * noise[1]) + 0.05 * grain[0], 0.1, 0.9)
    necrotic = core * np.clip((depth_mm - rim_mm) / 1.5 + 0.5, 0, 1)
    path = np.clip(1.6 * tissues[atlas.WHITE] - 0.25, 0, 1) + 0.12 * tissues[atlas.GREY]
    reach_mm = tumor.edema_mm * path * np.clip(0.9 + 0.35 * noise[2], 0.1, 1.8)
    edema = np.clip((depth_mm + reach_mm - 2.5 * across_mm) / 5 + 0.5, 0, 1) * (path > 0.05)
    edema *= (mask - tissues[atlas.CSF]) * (1 - core)
    return TumorParts(necrotic, edema.astype(np.float32), core - necrotic, grain[1], tumor.brightness)
