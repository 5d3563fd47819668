"""Staged rows in the order of the shards, with their pixels read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from glioray.data.grouping import Grouping
from glioray.data.manifest import Normalization, SideCounts
from glioray.data.reading import Reading
from glioray.data.records import Contents, Side, SliceRecord


class StagedRecords(Sequence[SliceRecord]):
    """Rows of one side; an item is built from the staged pixels each time it is asked for."""

    def __init__(self, reading: Reading, groups: Sequence[str], order: Sequence[int]) -> None:
        self.reading = reading
        self.groups = groups
        self.order = order
        self.images = reading.images.read()
        self.masks = None if reading.masks is None else reading.masks.read()

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, place: int) -> SliceRecord: ...
    @overload
    def __getitem__(self, place: slice) -> list[SliceRecord]: ...
    def __getitem__(self, place: int | slice) -> SliceRecord | list[SliceRecord]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        index = self.order[place]
        row = self.reading.rows[index]
        return SliceRecord(
            image=self.images[index],
            mask=None if self.masks is None else self.masks[index],
            label=row.label,
            group_id=self.groups[index],
            patient_id=row.patient_id,
            slice_index=row.slice_index,
            source=row.source,
            brain_mean=row.brain_mean,
            brain_std=row.brain_std,
            brain_fraction=row.brain_fraction,
        )


def order_of(side: Side, reading: Reading, grouping: Grouping, seed: int) -> list[int]:
    """Which rows a side holds: train shuffled by the seed, val and test by group, slice and file."""
    mine = [i for i, its_side in enumerate(grouping.sides) if its_side == side]
    if side == "train":
        return [mine[i] for i in np.random.default_rng(seed).permutation(len(mine))]
    rows = reading.rows
    return sorted(mine, key=lambda i: (grouping.groups[i], rows[i].slice_index, rows[i].source))


def count(records: StagedRecords, contents: Contents) -> SideCounts:
    """Rows, groups, patients, and rows of each class or that show each label."""
    rows = [records.reading.rows[i] for i in records.order]
    if contents.task == "classification":
        by_output = {name: sum(row.label == label for row in rows) for label, name in enumerate(contents.classes)}
    else:
        by_output = dict.fromkeys(contents.labels, 0)
        for i in records.order:
            present = np.zeros(256, dtype=np.bool_)
            present[records.masks[i] if records.masks is not None else []] = True
            for name, value in contents.labels.items():
                by_output[name] += bool(present[value])
    return SideCounts(
        rows=len(rows),
        groups=len({records.groups[i] for i in records.order}),
        patients=len({row.patient_id for row in rows} - {None}),
        rows_by_output=by_output,
    )


def normalization_of(records: StagedRecords) -> Normalization:
    """Mean and spread of each channel over all pixels; whole-number sums, so that no order matters."""
    channels = records.images.shape[1]
    values = np.arange(256, dtype=np.float64)
    histogram = np.zeros((channels, 256), dtype=np.int64)
    for i in records.order:
        for channel in range(channels):
            histogram[channel] += np.bincount(records.images[i, channel].ravel(), minlength=256)
    return _moments(histogram, values)


def _moments(histogram: NDArray[np.int64], values: NDArray[np.float64]) -> Normalization:
    total = histogram.sum(axis=1)
    mean = (histogram * values).sum(axis=1) / total
    variance = (histogram * values**2).sum(axis=1) / total - mean**2
    std = np.sqrt(np.maximum(variance, 1.0))
    return Normalization(mean=tuple(round(float(v), 4) for v in mean), std=tuple(round(float(v), 4) for v in std))
