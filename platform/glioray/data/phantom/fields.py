"""Smooth random fields: what makes one phantom patient differ from another.

A field is a coarse lattice of normal numbers read through cubic B-splines. It can be read at any coordinates,
so that a fine slice, a coarse volume and a quick survey of the same patient see exactly the same field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.phantom.grid import Floats, PlaneGrid

REACH_MM = 150.0  # fields cover a cube of this half-width round the middle of the head


@dataclass(frozen=True)
class SmoothField:
    """Knots (C, N, N, N) of a random field whose features are about `knot_mm` wide."""

    knots: Floats
    knot_mm: float

    @classmethod
    def draw(cls, rng: np.random.Generator, channels: int, knot_mm: float) -> SmoothField:
        """A new field of about unit standard deviation."""
        num_knots = int(np.ceil(2 * REACH_MM / knot_mm)) + 3
        # Reading through B-splines averages 64 knots, which leaves a third of their deviation.
        knots = 3 * rng.standard_normal((channels, num_knots, num_knots, num_knots), dtype=np.float32)
        return cls(knots, knot_mm)

    def at(self, grid: PlaneGrid) -> Floats:
        """Values (C, X, Y, Z) on the grid."""
        channels, num_knots = self.knots.shape[:2]
        x, y, z = (_spline_weights(mm, self.knot_mm, num_knots) for mm in (grid.x_mm, grid.y_mm, grid.z_mm))
        # Last axis first: every product is then over contiguous memory.
        planes = y @ (self.knots @ z.T)
        return np.asarray(x @ planes.reshape(channels, num_knots, -1)).reshape(channels, *grid.shape)


def _spline_weights(positions_mm: NDArray[np.float64], knot_mm: float, num_knots: int) -> Floats:
    """Weight (P, N) of every knot at every position."""
    at_knots = (np.clip(positions_mm, -REACH_MM, REACH_MM) + REACH_MM) / knot_mm + 1
    distance = np.abs(at_knots[:, None] - np.arange(num_knots)[None, :])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)
