"""Removing small parts of a mask, and the choice of how small: by what scores best on validation.

Shapes: B slices, H x W pixels, S sizes; the counts of `Segmentation` get (S,) in front.

Source: Isensee 2021, doi:10.1038/s41592-020-01008-z, where validation decides whether all but the largest part of a
volume are removed; here by size and slice by slice, so that one slice can be answered alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skimage.measure
import torch
from torch import Tensor

from glioray.tasks._contract import Batch, Counts, Logits, Task
from glioray.tasks.segmentation import Segmentation


def remove_small(label_map: Tensor, smallest_part_px: int) -> Tensor:
    """The label map (B,H,W) uint8 without parts of fewer pixels; the work is done on the CPU.

    A part is what hangs together in one slice and has one label, over corners too.
    """
    if smallest_part_px <= 1:
        return label_map
    return label_map * (part_sizes(label_map) >= smallest_part_px)


def part_sizes(label_map: Tensor) -> Tensor:
    """(B,H,W) int32: of each pixel, how many pixels the part has that it is of; 0 where there is no label."""
    values = label_map.cpu().numpy()
    sizes_px = np.zeros(values.shape, dtype=np.int32)
    for index in np.flatnonzero(values.any(axis=(1, 2))):
        parts = skimage.measure.label(values[index], background=0, connectivity=2)
        pixels = np.bincount(parts.ravel())
        pixels[0] = 0
        sizes_px[index] = pixels[parts]
    return torch.from_numpy(sizes_px).to(label_map.device)


def with_clean_up(task: Task, candidates_px: Sequence[int]) -> Task:
    """The task that also finds out which of these sizes scores best; the task itself where there are none."""
    if not candidates_px:
        return task
    assert isinstance(task, Segmentation), "a recipe of another task has no sizes"
    return CleanUpChoice(task, (0, *sorted({size for size in candidates_px if size > 0})))


@dataclass(frozen=True)
class CleanUpChoice:
    """A segmentation that is counted after each clean-up; `sizes_px` rise from 0, which removes nothing."""

    task: Segmentation
    sizes_px: tuple[int, ...]

    @property
    def score(self) -> str:
        """That of the task, after the best clean-up."""
        return self.task.score

    def loss(self, logits: Logits, batch: Batch) -> Tensor:
        """That of the task."""
        return self.task.loss(logits, batch)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Those of the task."""
        return self.task.probabilities(logits)

    def counts(self, probabilities: Tensor, batch: Batch) -> Counts:
        """`pixels` (S,P,K+R,3)."""
        label_map = self.task.label_map(probabilities)
        found_px = part_sizes(label_map)
        cleaned = [label_map * (found_px >= size) for size in self.sizes_px]
        return {"pixels": torch.stack([self.task.count_masks(one, batch)["pixels"] for one in cleaned])}

    def zero_counts(self) -> Counts:
        """The counts of no rows."""
        return {"pixels": torch.stack([self.task.zero_counts()["pixels"]] * len(self.sizes_px))}

    def metrics(self, counts: Counts) -> dict[str, float]:
        """Those after the best clean-up (the smallest of equals), `smallest_part_px`, and the score after each."""
        found = [self.task.metrics({"pixels": pixels}) for pixels in counts["pixels"]]
        scores = [metrics[self.score] for metrics in found]
        best = max(range(len(scores)), key=lambda index: -math.inf if math.isnan(scores[index]) else scores[index])
        each = {f"{self.score}@{size}": score for size, score in zip(self.sizes_px, scores, strict=True)}
        return {**found[best], "smallest_part_px": float(self.sizes_px[best]), **each}
