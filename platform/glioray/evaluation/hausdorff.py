"""How far the outline of a prediction lies from that of the truth.

HD95 is the larger of two 95th percentiles: of the distances from each edge voxel of the prediction to the nearest edge
voxel of the truth, and the other way round. Distances are between centers. It is what MONAI's
`compute_hausdorff_distance` gives, from the same parts, without the warnings that it prints.

Rule for empty masks: where both are empty there is nothing to measure; where one is, no distance is defined. Both are
NaN here, and the caller counts the second kind. The BraTS challenges put 373.13 mm in its place.

Source: Huttenlocher 1993, doi:10.1109/34.232073; Taha 2015, doi:10.1186/s12880-015-0068-x.

Shapes: D slices, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from monai.metrics import get_mask_edges, get_surface_distance
from numpy.typing import NDArray

PERCENTILE = 95

Mask = NDArray[np.bool_]


def hd95(predicted: Mask, truth: Mask, spacing: Sequence[float] | None = None) -> float:
    """HD95 of two masks (D,H,W) or (H,W); NaN where one is empty.

    Args:
        predicted: of the same shape as the truth.
        truth: as drawn by hand.
        spacing: from center to center along each axis, in the unit that the answer has; none counts pixels.
    """
    if not predicted.any() or not truth.any():
        return float("nan")
    edges = get_mask_edges(*_cropped(predicted, truth))
    ways = (edges, edges[::-1])
    return max(float(np.percentile(get_surface_distance(*way, spacing=spacing), PERCENTILE)) for way in ways)


def _cropped(predicted: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """Both, cut to the box around them: a volume is mostly empty."""
    box = bounding_box(predicted | truth)
    return predicted[box], truth[box]


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box that holds all of a mask that is not empty."""
    spans = []
    for axis in range(mask.ndim):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        spans.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(spans)
