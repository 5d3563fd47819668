"""From materials and tumor parts to the four sequences of a brain tumor protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from glioray.data.phantom.fields import SmoothField
from glioray.data.phantom.grid import Floats, PlaneGrid
from glioray.data.phantom.growth import TumorParts
from glioray.data.phantom.materials import MATERIALS


class Sequence(StrEnum):
    """The four sequences, named as in the files of BraTS."""

    FLAIR = "flair"
    T1 = "t1"
    T1C = "t1ce"
    T2 = "t2"


# Signal of every material, white matter on T1 = 0.6; the order is that of MATERIALS.
SIGNALS: dict[Sequence, tuple[float, ...]] = {
    #                csf   grey  white bone  marrow fat  muscle air  vitr. vessel dura
    Sequence.FLAIR: (0.08, 0.56, 0.45, 0.05, 0.35, 0.62, 0.30, 0.01, 0.10, 0.08, 0.25),
    Sequence.T1: (0.16, 0.45, 0.60, 0.06, 0.50, 0.95, 0.36, 0.01, 0.18, 0.22, 0.32),
    Sequence.T1C: (0.15, 0.43, 0.55, 0.06, 0.50, 0.95, 0.40, 0.01, 0.18, 0.92, 0.58),
    Sequence.T2: (1.00, 0.52, 0.36, 0.05, 0.35, 0.60, 0.20, 0.01, 0.98, 0.08, 0.15),
}
# Signal of the necrotic core, of edema and of the enhancing part of a glioma.
GLIOMA_SIGNALS: dict[Sequence, tuple[float, float, float]] = {
    Sequence.FLAIR: (0.48, 0.86, 0.72),
    Sequence.T1: (0.24, 0.40, 0.44),
    Sequence.T1C: (0.22, 0.39, 0.95),
    Sequence.T2: (0.88, 0.78, 0.58),
}
# How much the signal varies inside each part, relative to it.
GRAIN = (0.10, 0.05, 0.11)


@dataclass(frozen=True)
class Scanner:
    """What differs from one examination to the next: contrast, coil shading, noise."""

    contrast: Floats
    shading: SmoothField
    shading_depth: float
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Scanner:
        """A new examination."""
        return cls(
            contrast=rng.normal(1, 0.05, (4, len(MATERIALS))).astype(np.float32),
            shading=SmoothField.draw(rng, 1, knot_mm=75.0),
            shading_depth=float(rng.uniform(0.05, 0.13)),
            noise=float(rng.uniform(0.010, 0.026)),
        )


def render(
    scanner: Scanner,
    sequence: Sequence,
    stack: Floats,
    parts: TumorParts | None,
    grid: PlaneGrid,
    rng: np.random.Generator,
) -> Floats:
    """Magnitude image (X, Y, Z), about 0 to 1, with coil shading and Rician noise.

    Source of the noise: Gudbjartsson 1995, doi:10.1002/mrm.1910340618.
    """
    row = list(Sequence).index(sequence)
    table = np.array(SIGNALS[sequence], dtype=np.float32) * scanner.contrast[row]
    image = np.tensordot(table, stack, axes=1)
    if parts is not None:
        image = _with_tumor(image, parts, sequence)
    image = image * np.exp(scanner.shading_depth * scanner.shading.at(grid)[0])
    real = image + scanner.noise * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = scanner.noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def _with_tumor(image: Floats, parts: TumorParts, sequence: Sequence) -> Floats:
    signals = list(GLIOMA_SIGNALS[sequence])
    if sequence is Sequence.T1C:
        signals[2] *= parts.brightness
    fractions = (parts.necrotic, parts.edema, parts.enhancing)
    image = image * (1 - sum(fractions))
    for fraction, signal, grain in zip(fractions, signals, GRAIN, strict=True):
        image = image + fraction * signal * (1 + grain * parts.grain)
    return np.asarray(image, dtype=np.float32)
