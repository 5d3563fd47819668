"""Where a phantom is looked at: a stack of axial planes in the scanner's millimeters (RAS+)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PlaneGrid:
    """Voxel centers along each axis; x grows toward the patient's right, y forward, z up."""

    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    z_mm: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.x_mm), len(self.y_mm), len(self.z_mm)

    def points_mm(self) -> Floats:
        """Coordinates (3, X, Y, Z)."""
        axes = (self.x_mm, self.y_mm, self.z_mm)
        return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def centered_mm(num: int, spacing_mm: float, middle_mm: float) -> NDArray[np.float64]:
    """`num` positions, `spacing_mm` apart, spread evenly about `middle_mm`."""
    return np.asarray(middle_mm + spacing_mm * (np.arange(num) - (num - 1) / 2), dtype=np.float64)
