"""All staged rows of a data set under one numbering, and the order in which the shards take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from glioray.data.grouping import Grouping
from glioray.data.records import SliceRecord
from glioray.data.staging import Row, Staged


@dataclass(frozen=True)
class Staging:
    """Portions in their order; a row's number counts through all of them."""

    portions: tuple[Staged, ...]

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Without pixels."""
        return tuple(row for portion in self.portions for row in portion.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, S, S)"""
        return next(portion.shape for portion in self.portions if portion.rows)

    @property
    def has_masks(self) -> bool:
        """Whether rows have label maps."""
        return any(portion.has_masks for portion in self.portions)

    def views(self) -> NDArray[np.float32]:
        """(V, N, 1024)"""
        return np.concatenate([portion.views() for portion in self.portions if portion.rows], axis=1)

    def place(self, number: int) -> tuple[Staged, int]:
        """The portion of a row, and its index there."""
        place = int(np.searchsorted(self._ends, number, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        return self.portions[place], number - before

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([len(portion.rows) for portion in self.portions])


@dataclass(frozen=True)
class StagedRecords(Sequence[SliceRecord]):
    """All rows with their groups; an item is built from the staged pixels each time it is asked for."""

    staging: Staging
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.groups)

    @overload
    def __getitem__(self, number: int) -> SliceRecord: ...
    @overload
    def __getitem__(self, number: slice) -> list[SliceRecord]: ...
    def __getitem__(self, number: int | slice) -> SliceRecord | list[SliceRecord]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        portion, index = self.staging.place(number)
        row = portion.rows[index]
        return SliceRecord(
            image=portion.image(index),
            mask=portion.mask(index),
            label=row.label,
            group_id=self.groups[number],
            patient_id=row.patient_id,
            case_id=row.case_id,
            case_hash=row.case_hash,
            slice_index=row.slice_index,
            source=row.source,
            brain_mean=row.brain_mean,
            brain_std=row.brain_std,
            brain_fraction=row.brain_fraction,
            raw_size_px=(row.raw_height, row.raw_width),
            spacing_mm=row.spacing_mm,
            label_pixels=row.label_pixels,
            intensity=row.intensity,
        )


def order_of(part: str, rows: Sequence[Row], grouping: Grouping, seed: int, drop_empty: float) -> list[int]:
    """Which rows a part holds: train shuffled by the seed, all others by group, case, slice and file.

    Args:
        part: its name.
        rows: all of them.
        grouping: the part of each.
        seed: of the shuffle, and of which empty slices are left out.
        drop_empty: share of the slices without any label that train does without.
    """
    mine = [i for i, its_part in enumerate(grouping.parts) if its_part == part]
    if part != "train":
        return sorted(mine, key=lambda i: (grouping.groups[i], _place(rows[i])))
    shuffled = [mine[i] for i in np.random.default_rng(seed).permutation(len(mine))]
    empty = [i for i in shuffled if not sum(rows[i].label_pixels)]
    left_out = set(empty[: round(drop_empty * len(empty))])
    return [i for i in shuffled if i not in left_out]


def _place(row: Row) -> tuple[str, int, str]:
    """Slices of a volume stay together; single images of a patient are in the order of their names."""
    return (row.case_id if row.label is None else "", row.slice_index, row.source)
