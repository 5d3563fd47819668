"""What every voxel of a head is made of, brain and shells together."""

from __future__ import annotations

import numpy as np

from glioray.data.phantom import atlas, head
from glioray.data.phantom.anatomy import Anatomy, Brain
from glioray.data.phantom.grid import Floats, PlaneGrid

# Rows of a stack of materials, and of the signal table in `sequences.py`.
MATERIALS = ("csf", "grey", "white", "bone", "marrow", "fat", "muscle", "air", "vitreous", "vessel", "dura")
CSF, GREY, WHITE, BONE, MARROW, FAT, MUSCLE, AIR, VITREOUS, VESSEL, DURA = range(len(MATERIALS))


def head_materials(anatomy: Anatomy, grid: PlaneGrid, brain: Brain, points_mm: Floats) -> Floats:
    """Fraction of every material (M, X, Y, Z), summing to 1, painted from the neck inward to the brain.

    Args:
        points_mm: MNI coordinates (3, X, Y, Z) of the grid.
    """
    shell = atlas.load_atlas().head.at(points_mm)
    stack = np.zeros((len(MATERIALS), *grid.shape), dtype=np.float32)
    uneven_mm = anatomy.texture.at(grid)[1]
    _paint_face(stack, shell, uneven_mm)
    _paint_scalp(stack, shell[head.SKIN_DEPTH] + anatomy.scalp_mm + 0.5 * uneven_mm)
    _paint_skull(stack, shell, anatomy.bone_mm + uneven_mm)
    _paint_outside(stack, shell[head.SKIN_DEPTH] + anatomy.scalp_mm)
    _paint_brain(stack, brain)
    _paint_vessels(stack, brain, shell, points_mm, uneven_mm)
    return stack


def brain_materials(brain: Brain) -> Floats:
    """The same for a skull-stripped brain; the stack sums to the brain mask."""
    stack = np.zeros((len(MATERIALS), *brain.tissues.shape[1:]), dtype=np.float32)
    stack[[CSF, GREY, WHITE]] = brain.tissues[[atlas.CSF, atlas.GREY, atlas.WHITE]]
    return stack


def _lay_over(stack: Floats, material: int, fraction: Floats) -> None:
    stack *= 1 - fraction
    stack[material] += fraction


def _paint_face(stack: Floats, shell: Floats, uneven_mm: Floats) -> None:
    """Muscle streaked with fat, the orbits, and the air cells."""
    stack[MUSCLE] = 1
    _lay_over(stack, FAT, np.clip(0.28 + 0.3 * uneven_mm, 0, 0.9))
    _lay_over(stack, FAT, shell[head.FAT])
    _lay_over(stack, MUSCLE, shell[head.MUSCLE])
    globe = shell[head.EYE]
    _lay_over(stack, MUSCLE, np.clip(globe * 3, 0, 1))
    _lay_over(stack, VITREOUS, np.clip(globe * 2 - 1, 0, 1))
    _lay_over(stack, AIR, shell[head.AIR])


def _paint_scalp(stack: Floats, depth_mm: Floats) -> None:
    """Fat under the skin, and the skin."""
    _lay_over(stack, FAT, np.clip((6.5 - depth_mm) / 2.5, 0, 1))
    _lay_over(stack, MUSCLE, 0.6 * np.clip((2.2 - depth_mm) / 1.5, 0, 1))


def _paint_skull(stack: Floats, shell: Floats, bone_mm: Floats) -> None:
    """Dark bone; marrow between the two tables of the vault and in parts of the base."""
    distance_mm = shell[head.CASE_DISTANCE]
    vault = np.clip((24 - shell[head.SKIN_DEPTH]) / 6, 0, 1)
    _lay_over(stack, BONE, np.clip((2.2 + (bone_mm - 2.2) * vault - distance_mm) / 1.5 + 0.5, 0, 1))
    diploe = np.exp(-(((distance_mm - 0.5 * bone_mm) / (0.3 * bone_mm)) ** 2))
    thick = np.clip((bone_mm - 3.5) / 4, 0, 0.8)
    _lay_over(stack, MARROW, np.maximum(thick * diploe * vault, 0.8 * shell[head.MARROW] * (distance_mm > 1)))


def _paint_outside(stack: Floats, depth_mm: Floats) -> None:
    _lay_over(stack, AIR, np.clip(0.5 - depth_mm / 1.2, 0, 1))


def _paint_brain(stack: Floats, brain: Brain) -> None:
    inside = np.clip(0.5 - brain.case_distance_mm / 1.5, 0, 1)
    stack *= 1 - inside
    stack[GREY] += brain.tissues[atlas.GREY]
    stack[WHITE] += brain.tissues[atlas.WHITE]
    stack[CSF] += np.clip(inside - brain.tissues[atlas.GREY] - brain.tissues[atlas.WHITE], 0, 1)


def _paint_vessels(stack: Floats, brain: Brain, shell: Floats, points_mm: Floats, uneven_mm: Floats) -> None:
    """Dura, falx, venous sinuses, arteries of the base and the choroid plexus."""
    x, y, z = points_mm
    distance = brain.case_distance_mm
    fluid = stack[CSF].copy()
    _lay_over(stack, DURA, np.clip(0.35 + 0.3 * uneven_mm, 0.05, 0.8) * np.exp(-((distance / 0.9) ** 2)))
    falx = np.exp(-((x / 0.9) ** 2)) * (z > -5) * (distance > -38) * fluid
    _lay_over(stack, DURA, 0.9 * falx)
    plexus = np.exp(-(((np.abs(x) - 23) / 4) ** 2 + ((y + 41) / 6) ** 2 + ((z - 9) / 7) ** 2)) * fluid
    contrast = np.maximum(0.8 * plexus, _venous_sinuses(x, y, z, distance))
    _lay_over(stack, VESSEL, np.maximum(contrast, shell[head.VESSEL]))


def _venous_sinuses(x: Floats, y: Floats, z: Floats, distance: Floats) -> Floats:
    """Sagittal sinus along the vault, transverse sinuses at the back, both just inside the case."""
    wide_mm = 1.5 + 3.5 * np.exp(-(((distance + 1) / 4) ** 2))
    sagittal = np.exp(-((x / wide_mm) ** 4 + ((distance + 2.0) / 3.5) ** 4))
    sagittal *= ((z > 25) | (y < -60)) & (z > -15)
    transverse = np.exp(-(((z + 14 + 0.12 * np.abs(x)) / 4) ** 4 + ((distance + 1.5) / 3) ** 4))
    transverse *= np.clip((-38 - y) / 18, 0, 1)
    return np.asarray(np.maximum(sagittal, transverse), dtype=np.float32)
