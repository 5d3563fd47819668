"""The masks of a side, case by case: their pixels, lesions, the distance of their outlines, and the slice to show.

A case is measured as soon as its last slice has been predicted, and of its masks only boxes around the labels are kept
until then, so that memory does not grow with the data set.

Shapes: N slices, B slices of a batch, K labels, R regions, S x S pixels.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioray.data.progress import OnCount
from glioray.errors import DataError
from glioray.evaluation.bootstrap import Floats, shares
from glioray.evaluation.hausdorff import bounding_box, hd95
from glioray.evaluation.lesions import Counts, count_lesions
from glioray.evaluation.side import CaseKey, SideRows, Spacing
from glioray.serving.predictor import Predictor
from glioray.tasks._contract import Batch
from glioray.tasks.segmentation import Segmentation

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Outlined:
    """One case: HD95 (K+R,), and its slice with the most tumor: the row and what was predicted there (S,S)."""

    hd95: Floats
    widest_row: int
    widest_prediction: Labels
    lesions: Counts
    """(K+R,3) found, missed and false, see `lesions.py`"""
    voxel_ml: float | None = None
    """volume of a voxel of the prepared grid, where it is known"""


@dataclass(frozen=True)
class Outlines:
    """All slices (N,K+R,3), as `Segmentation.count_masks` counts each alone, and all cases of a side or of several."""

    pixels: Tensor
    cases: dict[CaseKey, Outlined]
    is_in_mm: bool

    @property
    def distance(self) -> str:
        """Name of the measure, with its unit."""
        return "hd95_mm" if self.is_in_mm else "hd95_px"

    @property
    def size_unit(self) -> str:
        """Of volumes: `px` are those of the prepared image over all slices."""
        return "ml" if self.is_in_mm else "px"


def outline(
    task: Segmentation,
    predictor: Predictor,
    rows: SideRows,
    batch_size: int,
    on_progress: OnCount,
    on_masks: Callable[[Labels], None] | None = None,
) -> Outlines:
    """Predicts every slice of a side; `on_masks` is given each batch of label maps (B,S,S), which are not kept."""
    book = CaseBook.of(task, rows)
    pixels: list[Tensor] = []
    for batch, probabilities in rows.predicted(predictor, batch_size, on_progress):
        require_known(task, batch["mask"].numpy(), rows, sum(map(len, pixels)))
        predicted = predictor.label_map(probabilities)
        pixels.append(slice_pixels(task, predicted, batch))
        book.add(predicted.numpy(), batch["mask"].numpy())
        if on_masks is not None:
            on_masks(predicted.numpy())
    return Outlines(torch.cat(pixels), book.done, book.spacing_mm is not None)


def require_known(task: Segmentation, masks: Labels, rows: SideRows, first: int) -> None:
    """Refuses true masks (B,S,S) that hold what is no label: it would be scored as background.

    Raises:
        DataError: the first slice that does, with the value; its rows begin at the number `first`.
    """
    known = np.zeros(256, dtype=bool)
    known[[0, *task.labels.values()]] = True
    strange = ~known[masks]
    if strange.any():
        place = int(strange.any(axis=(1, 2)).argmax())
        raise DataError(
            f"{rows.dataset.folder}: the mask of {rows.identity[first + place].source!r} holds "
            f"{int(masks[place][strange[place]][0])}, which is no label ({task.labels}): prepare these data again"
        )


def joined(parts: Sequence[Outlines], starts: Sequence[int]) -> Outlines:
    """Of several sides, whose first rows get these numbers."""
    cases = {
        key: replace(case, widest_row=start + case.widest_row)
        for part, start in zip(parts, starts, strict=True)
        for key, case in part.cases.items()
    }
    return Outlines(torch.cat([part.pixels for part in parts]), cases, all(part.is_in_mm for part in parts))


def slice_pixels(task: Segmentation, label_map: Tensor, batch: Batch) -> Tensor:
    """(B,K+R,3) pixels of each slice: in both, only predicted, only true."""
    num_slices = len(label_map)
    alone = replace(task, num_patients=num_slices)
    return alone.count_masks(label_map, {**batch, "patient_index": torch.arange(num_slices)})["pixels"]


@dataclass(frozen=True)
class _Piece:
    """The box of a slice around all that was predicted or is true."""

    slice_index: int
    top: int
    left: int
    predicted: Labels
    truth: Labels


@dataclass
class _OpenCase:
    """What has been seen of a case; the widest slice is the first with the most true pixels, then predicted ones."""

    pieces: list[_Piece] = field(default_factory=list)
    widest: tuple[int, int] = (-1, -1)
    widest_row: int = 0
    widest_prediction: Labels = field(default_factory=lambda: np.zeros((1, 1), dtype=np.uint8))


@dataclass
class CaseBook:
    """Takes the slices of a side in their order."""

    rows: SideRows
    values: tuple[tuple[int, ...], ...]
    """(K+R,) the values of the map that make up each label and region"""
    spacing_mm: dict[CaseKey, Spacing] | None
    left: Counter[CaseKey]
    done: dict[CaseKey, Outlined] = field(default_factory=dict)
    _open: dict[CaseKey, _OpenCase] = field(default_factory=lambda: defaultdict(_OpenCase))
    _next: int = 0

    @classmethod
    def of(cls, task: Segmentation, rows: SideRows) -> CaseBook:
        """Of a side that is about to be predicted."""
        labels = [(value,) for value in task.labels.values()]
        regions = [tuple(task.labels[name] for name in names) for names in task.regions.values()]
        return cls(rows, (*labels, *regions), rows.spacing_mm(), Counter(rows.cases))

    def add(self, predicted: Labels, truth: Labels) -> None:
        """The label maps (B,S,S) of the next rows."""
        for one, other in zip(predicted, truth, strict=True):
            key = self.rows.cases[self._next]
            self._see(self._open[key], one, other)
            self.left[key] -= 1
            self._next += 1
            if not self.left[key]:
                self._close(key, self._open.pop(key))

    def _see(self, case: _OpenCase, predicted: Labels, truth: Labels) -> None:
        area = (int(np.count_nonzero(truth)), int(np.count_nonzero(predicted)))
        if area > case.widest:
            case.widest, case.widest_row, case.widest_prediction = area, self._next, predicted.copy()
        if any(area):
            rows, columns = bounding_box((predicted > 0) | (truth > 0))
            piece = _Piece(
                self.rows.identity[self._next].slice_index,
                rows.start,
                columns.start,
                predicted[rows, columns].copy(),
                truth[rows, columns].copy(),
            )
            case.pieces.append(piece)

    def _close(self, key: CaseKey, case: _OpenCase) -> None:
        spacing = None if self.spacing_mm is None else self.spacing_mm[key]
        voxel_ml = None if spacing is None else math.prod(spacing) / 1000
        distances, lesions = self._measured(case.pieces, spacing, voxel_ml)
        self.done[key] = Outlined(distances, case.widest_row, case.widest_prediction, lesions, voxel_ml)

    def _measured(
        self, pieces: Sequence[_Piece], spacing: Spacing | None, voxel_ml: float | None
    ) -> tuple[Floats, Counts]:
        """HD95 (K+R,), in mm in three dimensions where the spacing is known, and lesions (K+R,3) of a case."""
        distances = np.full(len(self.values), np.nan)
        lesions = np.zeros((len(self.values), 3), dtype=np.int64)
        if not pieces:
            return distances, lesions
        predicted, truth = _volume(pieces)
        for place, own in enumerate(self.values):
            masks = np.isin(predicted, own), np.isin(truth, own)
            lesions[place] = count_lesions(*masks, voxel_ml)
            if spacing is not None:
                distances[place] = hd95(*masks, spacing)
        return distances if spacing is not None else self._by_slice(pieces), lesions

    def _by_slice(self, pieces: Sequence[_Piece]) -> Floats:
        """(K+R,) in px, the mean over the slices that show the label in both."""
        found = [[hd95(np.isin(p.predicted, own), np.isin(p.truth, own)) for own in self.values] for p in pieces]
        each = np.array(found)
        return shares(np.nansum(each, axis=0), np.count_nonzero(~np.isnan(each), axis=0))


def _volume(pieces: Sequence[_Piece]) -> tuple[Labels, Labels]:
    """Prediction and truth (D,H,W) of the box around all pieces; a slice that shows nothing is empty in both."""
    assert len({piece.slice_index for piece in pieces}) == len(pieces)
    first = [min(p.slice_index for p in pieces), min(p.top for p in pieces), min(p.left for p in pieces)]
    bottom = max(p.top + p.truth.shape[0] for p in pieces)
    right = max(p.left + p.truth.shape[1] for p in pieces)
    shape = (max(p.slice_index for p in pieces) + 1 - first[0], bottom - first[1], right - first[2])
    predicted, truth = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    for piece in pieces:
        height, width = piece.truth.shape
        top, left = piece.top - first[1], piece.left - first[2]
        box = (piece.slice_index - first[0], slice(top, top + height), slice(left, left + width))
        predicted[box], truth[box] = piece.predicted, piece.truth
    return predicted, truth
