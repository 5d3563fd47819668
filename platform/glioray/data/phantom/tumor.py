"""The tumors of the phantom: where one of each kind begins, and how large and ragged it is.

Tumors live in MNI space, before any displacement of their own, so that anatomy can place them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from glioray.data.phantom import atlas
from glioray.data.phantom.fields import SmoothField
from glioray.data.phantom.grid import Floats

SELLA_MM = (0.0, 4.0, -32.0)


class Kind(StrEnum):
    """What a patient has; the order is the order of patients."""

    GLIOMA = "glioma"
    MENINGIOMA = "meningioma"
    NOTUMOR = "notumor"
    PITUITARY = "pituitary"


@dataclass(frozen=True)
class Tumor:
    """Place, size and growth of one tumor; lengths in mm.

    `stretch`, `roughness` and `rim` are relative to the radius (`stretch` along x, y, z); `push` is how much
    of the tissue's place the tumor takes; `graininess` scales its texture.
    """

    kind: Kind
    center_mm: Floats
    radius_mm: float
    stretch: Floats
    roughness: float
    push: float
    rim: float
    edema_mm: float
    brightness: float
    graininess: float
    shape: SmoothField
    grain: SmoothField


def draw_tumor(rng: np.random.Generator, kind: Kind) -> Tumor:
    """A new tumor of the kind, anywhere that this kind occurs."""
    shape, grain = SmoothField.draw(rng, 3, knot_mm=9.0), SmoothField.draw(rng, 2, knot_mm=4.0)
    if kind is Kind.GLIOMA:
        return _draw_glioma(rng, shape, grain)
    if kind is Kind.MENINGIOMA:
        return _draw_meningioma(rng, shape, grain)
    assert kind is Kind.PITUITARY, kind
    return _draw_pituitary(rng, shape, grain)


def _draw_glioma(rng: np.random.Generator, shape: SmoothField, grain: SmoothField) -> Tumor:
    places = atlas.load_atlas().deep_white_mm
    return Tumor(
        kind=Kind.GLIOMA,
        center_mm=places[rng.integers(len(places))],
        radius_mm=float(rng.uniform(11, 22)),
        stretch=rng.uniform(0.8, 1.25, 3).astype(np.float32),
        roughness=float(rng.uniform(0.16, 0.26)),
        push=float(rng.uniform(0.15, 0.4)),
        rim=float(rng.uniform(0.18, 0.38)),
        edema_mm=float(rng.uniform(12, 30)),
        brightness=float(rng.uniform(0.75, 1.05)),
        graininess=1.0,
        shape=shape,
        grain=grain,
    )


def _draw_meningioma(rng: np.random.Generator, shape: SmoothField, grain: SmoothField) -> Tumor:
    places = atlas.load_atlas().dura_mm
    place = places[rng.integers(len(places))]
    radius_mm = float(rng.uniform(13, 24))
    inward = np.array([0, -15, 5], dtype=np.float32) - place
    depth_mm = radius_mm * rng.uniform(0.25, 0.6)
    return Tumor(
        kind=Kind.MENINGIOMA,
        center_mm=(place + depth_mm * inward / np.linalg.norm(inward)).astype(np.float32),
        radius_mm=radius_mm,
        stretch=rng.uniform(0.88, 1.15, 3).astype(np.float32),
        roughness=float(rng.uniform(0.03, 0.07)),
        push=float(rng.uniform(0.6, 0.8)),
        rim=1.0,
        edema_mm=0.0,
        brightness=float(rng.uniform(0.8, 1.05)),
        graininess=0.35,
        shape=shape,
        grain=grain,
    )


def _draw_pituitary(rng: np.random.Generator, shape: SmoothField, grain: SmoothField) -> Tumor:
    radius_mm = float(rng.uniform(8.5, 14.5))
    rise_mm = 0.45 * (radius_mm - 8)  # a large one grows up out of the sella, toward the chiasm
    center_mm = np.array(SELLA_MM) + rng.normal(0, (1.2, 1.0, 1.0)) + (0, 0, rise_mm)
    return Tumor(
        kind=Kind.PITUITARY,
        center_mm=center_mm.astype(np.float32),
        radius_mm=radius_mm,
        stretch=rng.uniform((0.95, 0.8, 0.9), (1.25, 1.0, 1.2)).astype(np.float32),
        roughness=float(rng.uniform(0.03, 0.08)),
        push=float(rng.uniform(0.5, 0.7)),
        rim=1.0,
        edema_mm=0.0,
        brightness=float(rng.uniform(0.65, 0.95)),
        graininess=0.5,
        shape=shape,
        grain=grain,
    )
