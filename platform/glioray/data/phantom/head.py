"""What the template lacks: skull, scalp, orbits, sinuses and vessels round the brain.

The MNI152 template is skull-stripped. The vault follows the brain at a distance; the lower head continues the
outline of the forehead down; face and skull base are simple bodies at their place in MNI space. Everything is
made once on a 2 mm lattice, as distances and soft masks, which linear sampling leaves clean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioray.data.phantom.grid import Floats

LATTICE_MM = 2.0
LOWEST_MM = np.array([-104.0, -140.0, -96.0])
SHAPE = (105, 125, 101)
SCALP_MM = 11.5  # from the inner table of the vault to the skin, before a patient's own thickness

# Channels of `build_head`, in order. Distances are in mm, the rest are fractions in [0, 1].
CASE_DISTANCE, SKIN_DEPTH, AIR, FAT, MUSCLE, EYE, MARROW, VESSEL = range(8)

Mask = NDArray[np.bool_]


def build_head(brain: Floats, brain_lowest_mm: NDArray[np.float64]) -> Floats:
    """Channels (8, X, Y, Z) on the 2 mm lattice from the 1 mm brain mask.

    `CASE_DISTANCE` is negative inside the brain case; `SKIN_DEPTH` is positive inside the head.
    """
    x, y, z = _coordinates()
    mask = _on_lattice(brain, brain_lowest_mm)
    # The cistern over the sella is open in the template, and would count as skull base.
    cistern = _ellipsoid(x, y, z, (0, 2, -20), (15, 15, 9)) < 1
    case = _closed(mask | cistern, radius_mm=7.0, margin_mm=1.2)
    vault = _closed(mask, radius_mm=30.0, margin_mm=1.5)
    case_distance = _signed_distance(case)
    head = _outline(vault, x, y, z)
    skin_depth = -_signed_distance(head)
    face = _face(x, y, z)
    return np.stack([case_distance, skin_depth, *face]).astype(np.float32)


def _coordinates() -> tuple[Floats, Floats, Floats]:
    axes = [LOWEST_MM[i] + LATTICE_MM * np.arange(SHAPE[i]) for i in range(3)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def _on_lattice(brain: Floats, brain_lowest_mm: NDArray[np.float64]) -> Mask:
    offset = (LOWEST_MM - brain_lowest_mm) / 1.0
    matrix = np.full(3, LATTICE_MM)
    sampled: Floats = ndimage.affine_transform(brain, matrix, offset, output_shape=SHAPE, order=1)
    return sampled > 0.5


def _closed(mask: Mask, radius_mm: float, margin_mm: float) -> Mask:
    """The mask with every hollow narrower than twice the radius filled, and a margin round it."""
    # Room round the lattice: at its border the grown mask would have no outside to measure to.
    pad = int(radius_mm / LATTICE_MM) + 3
    grown = _signed_distance(np.pad(mask, pad)) < radius_mm
    inner = slice(pad, -pad)
    return (_signed_distance(grown) < margin_mm - radius_mm)[inner, inner, inner]


def _signed_distance(mask: Mask) -> Floats:
    """Millimeters to the surface, negative inside, smoothed over a voxel."""
    outside = ndimage.distance_transform_edt(~mask, sampling=LATTICE_MM)
    inside = ndimage.distance_transform_edt(mask, sampling=LATTICE_MM)
    smooth: Floats = ndimage.gaussian_filter((outside - inside).astype(np.float32), 0.8)
    return smooth


def _outline(vault: Mask, x: Floats, y: Floats, z: Floats) -> Mask:
    """The whole head: vault and scalp, the lower head below it, the nose."""
    scalp = _signed_distance(vault) < SCALP_MM
    level = int((0.0 - LOWEST_MM[2]) / LATTICE_MM)
    footprint = _signed_distance(scalp[:, :, level : level + 1].repeat(3, axis=2))[:, :, 1:2]
    # The head narrows a little toward the neck, more at the back than at the face.
    narrowing = np.clip(-z, 0, None) * np.where(y < -20, 0.16, 0.04)
    lower = (footprint + narrowing < 0) & (z < 0)
    nose = _ellipsoid(x, y, z, (0, 84, -46), (13, 19, 24)) < 1
    return scalp | lower | nose


def _face(x: Floats, y: Floats, z: Floats) -> list[Floats]:
    """Air, fat, muscle, eye, marrow and vessel fractions, in the order of the channels."""
    side = np.abs(x)
    globe = _soft(_ellipsoid(side, y, z, (32, 61, -37), (12.5, 13, 12.5)))
    fat, cone_muscle = _orbit(side, y, z)
    temporalis = _soft(_ellipsoid(side, y, z, (62, 22, -28), (10, 34, 30)))
    cheek = _soft(_ellipsoid(side, y, z, (40, 30, -62), (26, 34, 26)))
    neck = _soft(_ellipsoid(side, y, z, (24, -88, -72), (42, 24, 34)))
    muscle = np.maximum.reduce([cone_muscle, temporalis, cheek, neck])
    air = _air(side, x, y, z)
    clivus = _soft(_ellipsoid(side, y, z, (0, -14, -46), (11, 6, 11)))
    wing = _soft(_ellipsoid(side, y, z, (38, 30, -34), (9, 5, 14)))
    return [air, fat, muscle, globe, np.maximum(clivus, wing), _vessels(side, y, z)]


def _orbit(side: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """The fat of the orbital cone, and the optic nerve and the straight muscles in it."""
    eye, apex = np.array([32.0, 66.0, -37.0]), np.array([14.0, 18.0, -31.0])
    length_mm = float(np.linalg.norm(apex - eye))
    axis = (apex - eye) / length_mm
    offset = [side - eye[0], y - eye[1], z - eye[2]]
    along = sum(o * a for o, a in zip(offset, axis, strict=True)) / length_mm
    from_axis = np.sqrt(sum((o - a * along * length_mm) ** 2 for o, a in zip(offset, axis, strict=True)))
    width_mm = np.clip(18.5 * (1 - along), 1.0, 18.5)
    within = (along > -0.05) & (along < 0.95)
    fat = np.where(within, np.clip((width_mm - from_axis) / 2, 0, 1), 0)
    nerve = np.exp(-((from_axis / 2.0) ** 2)) * (along > 0.15)
    wall = np.exp(-(((from_axis - 0.74 * width_mm) / 1.8) ** 2)) * (along > 0.22)
    return fat.astype(np.float32), np.where(within, np.maximum(nerve, wall), 0).astype(np.float32)


def _air(side: Floats, x: Floats, y: Floats, z: Floats) -> Floats:
    """Sphenoid and ethmoid cells, nasal passages, maxillary and frontal sinuses, mastoid cells."""
    sphenoid = _soft(_ellipsoid(side, y, z, (0, 20, -41), (13, 12, 9))) * _wall(x, 1.5)
    ethmoid = _soft(_box(side, y, z, (7.5, 50, -38), (6.5, 22, 13))) * _wall(np.sin(y / 2.6) * 4, 1.6)
    nasal = _soft(_box(side, y, z, (6.0, 52, -62), (4.5, 28, 14)))
    maxillary = _soft(_ellipsoid(side, y, z, (30, 50, -66), (14, 17, 16)))
    frontal = _soft(_ellipsoid(side, y, z, (9, 79, -16), (12, 4.5, 12)))
    honeycomb = 0.5 + 0.5 * np.sin(side * 1.1) * np.sin(y * 1.2 + z)
    mastoid = _soft(_ellipsoid(side, y, z, (54, -36, -42), (11, 14, 16))) * honeycomb
    septum = _wall(x, 1.2)
    cells = [sphenoid, ethmoid * septum, nasal * septum, maxillary, frontal, mastoid]
    return np.asarray(np.maximum.reduce(cells))


def _vessels(side: Floats, y: Floats, z: Floats) -> Floats:
    """Carotid and basilar arteries, cavernous sinuses and the gland between them."""
    cavernous = _soft(_ellipsoid(side, y, z, (13, 1, -32), (4.5, 9, 5))) * 0.5
    carotid = _soft(_ellipsoid(side, y, z, (13, 4, -30), (2.6, 3.5, 9)))
    basilar = _soft(_ellipsoid(side, y, z, (0, -17, -30), (2.2, 2.2, 18)))
    gland = _soft(_ellipsoid(side, y, z, (0, 3, -33), (5.5, 4.5, 3))) * 0.55
    return np.asarray(np.maximum.reduce([cavernous, carotid, basilar, gland]))


def _ellipsoid(x: Floats, y: Floats, z: Floats, center: tuple[float, ...], radii: tuple[float, ...]) -> Floats:
    """Distance from the center in units of the surface: below 1 inside."""
    parts = [((axis - c) / r) ** 2 for axis, c, r in zip((x, y, z), center, radii, strict=True)]
    return np.asarray(np.sqrt(sum(parts)), dtype=np.float32)


def _box(x: Floats, y: Floats, z: Floats, center: tuple[float, ...], half: tuple[float, ...]) -> Floats:
    parts = [np.abs(axis - c) / h for axis, c, h in zip((x, y, z), center, half, strict=True)]
    return np.asarray(np.maximum.reduce(parts))


def _soft(relative: Floats) -> Floats:
    """1 inside, 0 outside, with a soft border of a fifth of the radius."""
    return np.asarray(np.clip((1.1 - relative) / 0.2, 0, 1), dtype=np.float32)


def _wall(coordinate: Floats, width_mm: float) -> Floats:
    """0 on a thin wall at coordinate 0, 1 away from it."""
    return np.asarray(1 - np.exp(-((coordinate / width_mm) ** 2)), dtype=np.float32)
