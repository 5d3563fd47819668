"""What is asked about: one image or all slices of a case, prepared, with the truth where it is known.

Shapes: N slices, H x W raw pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.serving.predictor import PreparedSlice

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """An image for a classifier (N = 1), or an image or a volume for a segmentation model.

    `grey` (N,H,W) is for a screen, `mask` (N,H,W) the true label map and `label` the true class, where they are known.
    `about` says where a prepared one comes from, with its split.
    """

    name: str
    slices: Sequence[PreparedSlice]
    grey: NDArray[np.uint8]
    mask: Labels | None = None
    label: str | None = None
    about: str = ""

    def widest(self, predicted: Labels) -> int:
        """The slice with the most true pixels, else with the most predicted ones (N,H,W); the middle one of none."""
        for labels in (self.mask, predicted):
            if labels is not None and labels.any():
                return int(np.count_nonzero(labels, axis=(1, 2)).argmax())
        return len(self.slices) // 2
