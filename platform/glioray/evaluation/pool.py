"""Rows that are scored together: one side of a data set, or the test sides of all its folds.

Shapes: N rows, V cases, U units (patients or groups).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from glioray.data.manifest import Manifest
from glioray.evaluation.side import CaseKey, Row, SideRows


@dataclass(frozen=True)
class Pool:
    """Sides that share no group, so that every patient is there once; rows are numbered through all of them."""

    sides: tuple[SideRows, ...]

    @property
    def manifest(self) -> Manifest:
        """Of the data; sides of several folds differ in nothing but which fold is tested."""
        return self.sides[0].dataset.manifest

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """(N,) who each row is."""
        return tuple(row for side in self.sides for row in side.identity)

    @cached_property
    def unit(self) -> str:
        """What is drawn again for an interval."""
        return "patients" if all(row.patient_id is not None for row in self.rows) else "groups"

    @cached_property
    def units(self) -> tuple[str, ...]:
        """(U,) patients or groups, sorted."""
        return tuple(sorted({self._unit_of(row) for row in self.rows}))

    @cached_property
    def unit_index(self) -> Tensor:
        """(N,) place of each row's unit in `units`."""
        place = {name: index for index, name in enumerate(self.units)}
        return torch.tensor([place[self._unit_of(row)] for row in self.rows])

    @cached_property
    def cases(self) -> tuple[CaseKey, ...]:
        """(V,) sorted by their unit."""
        return tuple(key for _, key in self._cases)

    @cached_property
    def case_index(self) -> Tensor:
        """(N,) place of each row's case in `cases`."""
        place = {key: index for index, key in enumerate(self.cases)}
        return torch.tensor([place[key] for side in self.sides for key in side.cases])

    @cached_property
    def unit_of_case(self) -> Tensor:
        """(V,) place of each case's unit in `units`."""
        place = {name: index for index, name in enumerate(self.units)}
        return torch.tensor([place[name] for name, _ in self._cases])

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Number of each side's first row."""
        return tuple(accumulate((len(side.identity) for side in self.sides[:-1]), initial=0))

    def pick(self, numbers: Sequence[int], batch_size: int) -> dict[str, Tensor]:
        """The tensors of some rows, in the order asked for."""
        found: dict[int, dict[str, Tensor]] = {}
        for side, start in zip(self.sides, self.starts, strict=True):
            mine = [number - start for number in numbers if 0 <= number - start < len(side.identity)]
            found |= {start + row: tensors for row, tensors in side.pick(mine, batch_size).items()} if mine else {}
        return {name: torch.stack([found[row][name] for row in numbers]) for name in found[numbers[0]]}

    @cached_property
    def _cases(self) -> list[tuple[str, CaseKey]]:
        return sorted({(self._unit_of(row), CaseKey(row.group_id, row.case_id)) for row in self.rows})

    def _unit_of(self, row: Row) -> str:
        return row.group_id if self.unit == "groups" else str(row.patient_id)
