"""The columns of a prepared folder without its pixels: what every figure of the page is made from.

Shapes: N rows, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.prepared import PreparedDataset
from glioray.data.shard_writer import SPACINGS
from glioray.data.shards import read_columns

ALWAYS = ("source", "group_id", "patient_id", "slice_index", "brain_fraction", "raw_height", "raw_width", *SPACINGS)


@dataclass(frozen=True)
class Table:
    """All rows, part after part, each part in the order of its shards.

    `part` is the place in `parts`; `number` the row's place in its part; `patient` is none where the data
    name none; `label` is -1 and `label_pixels` (N,0) where the task has none; `spacing_mm` (N,3) is NaN where
    unknown.
    """

    parts: tuple[str, ...]
    part: NDArray[np.int64]
    number: NDArray[np.int64]
    source: tuple[str, ...]
    group: tuple[str, ...]
    patient: tuple[str | None, ...]
    slice_index: NDArray[np.int64]
    brain_fraction: NDArray[np.float64]
    raw_size_px: NDArray[np.int64]
    spacing_mm: NDArray[np.float64]
    label: NDArray[np.int64]
    label_pixels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source)

    def part_of(self, row: int) -> str:
        """The name of the part that a row stands in."""
        return self.parts[int(self.part[row])]


def read_table(dataset: PreparedDataset) -> Table:
    """Reads the columns of all parts; no pixels."""
    parts = tuple(dataset.manifest.parts)
    is_classification = dataset.manifest.contents.task == "classification"
    names = [*ALWAYS, "label" if is_classification else "label_pixels"]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    rows_a_part = []
    for part in parts:
        values = read_columns(dataset.folder, dataset.manifest, part, names)
        rows_a_part.append(len(values["source"]))
        for name in names:
            columns[name] += values[name]
    return _table(parts, rows_a_part, columns)


def _table(parts: tuple[str, ...], rows_a_part: Sequence[int], columns: dict[str, list[Any]]) -> Table:
    count = len(columns["source"])
    return Table(
        parts=parts,
        part=np.repeat(np.arange(len(parts)), rows_a_part),
        number=np.concatenate([np.arange(rows) for rows in rows_a_part]),
        source=tuple(columns["source"]),
        group=tuple(columns["group_id"]),
        patient=tuple(columns["patient_id"]),
        slice_index=np.array(columns["slice_index"], dtype=np.int64),
        brain_fraction=np.array(columns["brain_fraction"], dtype=np.float64),
        raw_size_px=np.array([columns["raw_height"], columns["raw_width"]], dtype=np.int64).T,
        spacing_mm=np.array([columns[name] for name in SPACINGS], dtype=np.float64).T,
        label=np.array(columns.get("label", np.full(count, -1)), dtype=np.int64),
        label_pixels=np.array(columns.get("label_pixels", np.zeros((count, 0))), dtype=np.int64).reshape(count, -1),
    )
