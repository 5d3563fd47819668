"""What of a tumor's mask may say how long its patient lives: size, shape and place, in mm and ml.

Shapes: N slices from the lowest up, H rows from front to back, W columns from the patient's right to the left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label, marching_cubes, mesh_surface_area

from glioray.data.records import Contents
from glioray.evaluation.hausdorff import bounding_box

SMALLEST_PIECE_ML = 0.1
LOGARITHMIC = ("_ml", "_mm2")
"""endings of the features that span decades; models take their logarithm"""

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Box:
    """First voxel along slices, rows and columns, and the one after the last."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    @classmethod
    def around(cls, inside: Mask) -> Box | None:
        """The smallest box that holds all true voxels of (N,H,W); none where there is none."""
        if not inside.any():
            return None
        low, high = zip(*((span.start, span.stop) for span in bounding_box(inside)), strict=True)
        return cls(low, high)

    def joined(self, other: Box) -> Box:
        """The smallest box that holds both."""
        low = tuple(map(min, self.low, other.low))
        high = tuple(map(max, self.high, other.high))
        return Box(low, high)  # type: ignore[arg-type]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For cutting it out of an array."""
        first, second, third = (slice(low, high) for low, high in zip(self.low, self.high, strict=True))
        return first, second, third


@dataclass(frozen=True)
class Parts:
    """Labels and regions that are measured, each with the mask's values that make it up."""

    values: Mapping[str, tuple[int, ...]]
    whole: str
    """the part that holds all others"""

    @classmethod
    def of(cls, contents: Contents) -> Parts:
        """Regions, and the labels that are no region by themselves; where no region holds all, `tumor` does."""
        regions = {name: tuple(sorted(contents.labels[one] for one in of)) for name, of in contents.regions.items()}
        labels = {name: (value,) for name, value in contents.labels.items() if (value,) not in regions.values()}
        found = {**labels, **regions}
        everything = tuple(sorted(contents.labels.values()))
        whole = next((name for name, values in found.items() if values == everything), "tumor")
        return cls({**found, whole: everything}, whole)


def measure(mask: Labels, spacing_mm: Spacing, brain: Box, parts: Parts) -> dict[str, float]:
    """Features of a label map by name; the ending is the unit.

    Args:
        mask: (N,H,W), values as `parts` has them.
        spacing_mm: between slices, rows and columns.
        brain: what the place in the brain is relative to.
        parts: of the mask.

    Returns:
        `<part>_ml`; `<part>_share` of the whole's volume; `<part>_surface_mm2`; of the whole its extent
        (`height_mm`, `depth_mm`, `width_mm`), its center of mass in the brain's box (`up`, `back`, `left`, each from
        0 to 1), how far this is from the plane that halves the box (`midline_mm`), and `pieces`, those of 0.1 ml or
        more. Shares and place of a mask without any voxel are NaN.
    """
    voxel_ml = math.prod(spacing_mm) / 1000
    inside = {name: np.isin(mask, values) for name, values in parts.values.items()}
    volumes = {name: float(np.count_nonzero(part)) * voxel_ml for name, part in inside.items()}
    whole = inside[parts.whole]
    found = {f"{name}_ml": volume for name, volume in volumes.items()}
    for name, volume in volumes.items():
        if name != parts.whole:
            found[f"{name}_share"] = volume / volumes[parts.whole] if volumes[parts.whole] else math.nan
    found |= {f"{name}_surface_mm2": surface_mm2(part, spacing_mm) for name, part in inside.items()}
    return found | _extent(whole, spacing_mm) | _place(whole, spacing_mm, brain) | {"pieces": _pieces(whole, voxel_ml)}


def surface_mm2(part: Mask, spacing_mm: Spacing) -> float:
    """Area of the mesh around a part (N,H,W); 0 of nothing.

    The mesh cuts edges off and follows the steps of voxels: a cube of 10 voxels loses 6 % of its area, a ball of 10
    voxels' radius gains 9 %.

    Source: marching cubes, Lewiner 2003, doi:10.1080/10867651.2003.10487582, as in scikit-image.
    """
    box = Box.around(part)
    if box is None:
        return 0.0
    corners, triangles, _, _ = marching_cubes(np.pad(part[box.slices], 1).astype(np.float32), 0.5, spacing=spacing_mm)
    return float(mesh_surface_area(corners, triangles))


def _extent(whole: Mask, spacing_mm: Spacing) -> dict[str, float]:
    box = Box.around(whole)
    voxels = (0, 0, 0) if box is None else tuple(np.subtract(box.high, box.low))
    return {
        name: float(count) * mm
        for name, count, mm in zip(("height_mm", "depth_mm", "width_mm"), voxels, spacing_mm, strict=True)
    }


def _place(whole: Mask, spacing_mm: Spacing, brain: Box) -> dict[str, float]:
    voxels = np.argwhere(whole)
    center = voxels.mean(axis=0) + 0.5 if len(voxels) else np.full(3, math.nan)
    low, high = np.array(brain.low), np.array(brain.high)
    up, back, left = ((center - low) / (high - low)).tolist()
    midline_mm = abs(float(center[2] - (low[2] + high[2]) / 2)) * spacing_mm[2]
    return {"up": up, "back": back, "left": left, "midline_mm": midline_mm}


def _pieces(whole: Mask, voxel_ml: float) -> float:
    """How many parts that touch nowhere, not even at a corner."""
    sizes = np.bincount(label(whole, connectivity=3).ravel())[1:]
    return float(np.count_nonzero(sizes * voxel_ml >= SMALLEST_PIECE_ML))
