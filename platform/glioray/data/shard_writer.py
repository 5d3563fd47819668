"""Rows to Parquet: written once, read back and compared, and only then in place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glioray.data.folder import write_whole
from glioray.data.manifest import Shard
from glioray.data.records import SliceRecord
from glioray.data.shards import numpy_of, open_shard
from glioray.errors import DataError
from glioray.remote import sha256_of

ROWS_A_GROUP = 64
MOST_GROUP_BYTES = 8_000_000
SHARD_BYTES = 64_000_000
TENSORS = ("image", "mask")
SPACINGS = ("spacing_slice_mm", "spacing_row_mm", "spacing_column_mm")


@dataclass(frozen=True)
class ShardPlan:
    """Which rows become which shard."""

    part: str
    number: int
    rows: tuple[int, ...]

    @property
    def path(self) -> str:
        """Relative to the data set's folder."""
        return f"split={self.part}/part-{self.number:05d}.parquet"


@dataclass(frozen=True)
class ShardWriter:
    """Writes shards, each proved by reading back and renamed into place; does nothing where one is there.

    In `notes` stands what was counted on the way, see `note`; a shard without its note is written again.
    """

    folder: Path
    notes: Path
    records: Sequence[SliceRecord]
    group_index: Mapping[str, int]
    patient_index: Mapping[str, int]

    def __call__(self, plan: ShardPlan) -> None:
        """One shard.

        Raises:
            DataError: what was read back is not what was written.
        """
        note = self._note_path(plan)
        if note.is_file():
            return
        path = self.folder / plan.path
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        step = _rows_a_group(self.records[0])
        spans = [plan.rows[first : first + step] for first in range(0, len(plan.rows), step)]
        histogram = np.zeros((len(self.records[0].image), 256), dtype=np.int64)
        _write(partial, (self._table(span, histogram) for span in spans))
        self._compare(partial, spans)
        digest = sha256_of(partial)
        partial.replace(path)
        write_whole(note, json.dumps({"sha256": digest, "histogram": histogram.tolist()}).encode())

    def note(self, plan: ShardPlan) -> tuple[Shard, NDArray[np.int64]]:
        """A written shard, and how often each value stands in each channel, (C, 256)."""
        record = json.loads(self._note_path(plan).read_bytes())
        shard = Shard(path=plan.path, side=plan.part, rows=len(plan.rows), sha256=record["sha256"])
        return shard, np.array(record["histogram"], dtype=np.int64)

    def _note_path(self, plan: ShardPlan) -> Path:
        return self.notes / f"{plan.part}-{plan.number:05d}.json"

    def _table(self, numbers: Sequence[int], histogram: NDArray[np.int64]) -> pa.Table:
        records = [self.records[number] for number in numbers]
        for channel in range(len(histogram)):
            pixels = np.stack([record.image[channel] for record in records])
            histogram[channel] += np.bincount(pixels.ravel(), minlength=256)
        return _table(records, self.group_index, self.patient_index)

    def _compare(self, path: Path, spans: Sequence[Sequence[int]]) -> None:
        with open_shard(path) as file:
            for group, numbers in enumerate(spans):
                table = file.read_row_group(group, columns=[c for c in TENSORS if c in file.schema_arrow.names])
                read = {name: numpy_of(table.column(name)) for name in table.column_names}
                for place, number in enumerate(numbers):
                    record = self.records[number]
                    if any(not np.array_equal(read[name][place], getattr(record, name)) for name in read):
                        raise DataError(f"{path}: a row reads back differently. Check the disk, prepare again.")


def plan_shards(part: str, order: Sequence[int], first: SliceRecord) -> list[ShardPlan]:
    """The rows of a part, in their order, cut into shards; `first` tells the size of a row."""
    rows_a_group = _rows_a_group(first)
    rows_a_shard = rows_a_group * max(1, SHARD_BYTES // (_row_bytes(first) * rows_a_group))
    starts = range(0, len(order), rows_a_shard)
    return [ShardPlan(part, place, tuple(order[start : start + rows_a_shard])) for place, start in enumerate(starts)]


def _row_bytes(row: SliceRecord) -> int:
    return row.image.nbytes + (0 if row.mask is None else row.mask.nbytes)


def _rows_a_group(row: SliceRecord) -> int:
    return max(1, min(ROWS_A_GROUP, MOST_GROUP_BYTES // _row_bytes(row)))


def _table(rows: Sequence[SliceRecord], groups: Mapping[str, int], patients: Mapping[str, int]) -> pa.Table:
    columns: dict[str, Any] = {"image": _tensors([row.image for row in rows])}
    if rows[0].mask is not None:
        columns["mask"] = _tensors([row.mask for row in rows if row.mask is not None])
    if rows[0].label is not None:
        columns["label"] = pa.array([row.label for row in rows], pa.int32())
    columns["group_index"] = pa.array([groups[row.group_id] for row in rows], pa.int32())
    known = [-1 if row.patient_id is None else patients[row.patient_id] for row in rows]
    columns["patient_index"] = pa.array(known, pa.int32())
    columns["slice_index"] = pa.array([row.slice_index for row in rows], pa.int32())
    for name in ("brain_mean", "brain_std", "brain_fraction"):
        columns[name] = pa.array([getattr(row, name) for row in rows], pa.float32())
    for axis, name in enumerate(("raw_height", "raw_width")):
        columns[name] = pa.array([row.raw_size_px[axis] for row in rows], pa.int32())
    for axis, name in enumerate(SPACINGS):
        columns[name] = pa.array([row.spacing_mm and row.spacing_mm[axis] for row in rows], pa.float32())
    if rows[0].mask is not None:
        columns["label_pixels"] = _tensors([np.array(row.label_pixels, dtype=np.int32) for row in rows])
    columns["intensity"] = _tensors([np.array(row.intensity, dtype=np.float32) for row in rows])
    for name in ("group_id", "patient_id", "case_id", "case_hash", "source"):
        columns[name] = pa.array([getattr(row, name) for row in rows], pa.string())
    return pa.table(columns)


def _tensors(arrays: Sequence[NDArray[Any]]) -> pa.FixedShapeTensorArray:
    # Contiguous by construction: of a view with a new axis pyarrow writes corrupt tensors.
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(np.stack(arrays)))


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd", compression_level=1) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
