"""Rows in Parquet: written once, read back and compared, and read as tensors.

Columns: image (C,S,S) and mask (S,S) as arrow's canonical fixed-shape tensors of uint8, everything else
primitive. A reader takes only shards that the manifest lists, and no other extension type: one that runs
code on reading must never pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from glioray.data.manifest import Manifest, Shard
from glioray.data.records import Side, SliceRecord
from glioray.errors import DataError, SchemaError

ROWS_A_GROUP = 64
MOST_GROUP_BYTES = 8_000_000
SHARD_BYTES = 64_000_000
TENSORS = ("image", "mask")
TRAINING_COLUMNS = ("image", "label", "mask", "group_index", "patient_index")


def write_shards(
    folder: Path,
    side: Side,
    records: Sequence[SliceRecord],
    group_index: Mapping[str, int],
    patient_index: Mapping[str, int],
) -> tuple[Shard, ...]:
    """Writes the rows of a side in their order and proves them by reading back.

    Args:
        folder: of the data set, still the temporary one.
        side: whose rows they are.
        records: may be a lazy sequence; each is asked for twice.
        group_index: place of each group in `split.json`.
        patient_index: place of each patient there.

    Raises:
        DataError: what was read back is not what was written.
    """
    place = folder / f"split={side}"
    place.mkdir()
    shards = []
    rows_a_group, rows_a_shard = _sizes(records)
    for number, start in enumerate(range(0, len(records), rows_a_shard)):
        path = place / f"part-{number:05d}.parquet"
        stop = min(start + rows_a_shard, len(records))
        spans = [(first, min(first + rows_a_group, stop)) for first in range(start, stop, rows_a_group)]
        tables = (_table([records[i] for i in range(first, last)], group_index, patient_index) for first, last in spans)
        _write(path, tables)
        _compare(path, records, spans)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shards.append(Shard(path=path.relative_to(folder).as_posix(), side=side, rows=stop - start, sha256=digest))
    return tuple(shards)


def read_columns(folder: Path, manifest: Manifest, side: Side, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Whole columns of a side as plain values, in the order of the rows; not for pixels."""
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for shard in listed_shards(folder, manifest, side):
        with open_shard(shard) as file:
            table = file.read(columns=list(columns))
        for column in columns:
            values[column] += table.column(column).to_pylist()
    return values


def load_side(folder: Path, manifest: Manifest, side: Side) -> dict[str, torch.Tensor]:
    """All rows of a side: image uint8 (N,C,S,S), label int64 (N,) or mask uint8 (N,S,S), and the indices."""
    groups = list(_row_groups(folder, manifest, side))
    return {name: torch.cat([group[name] for group in groups]) for name in groups[0]}


def read_rows(
    folder: Path, manifest: Manifest, side: Side, wanted: Collection[int]
) -> dict[int, dict[str, NDArray[Any]]]:
    """Image, mask and label of single rows of a side, by their number."""
    found: dict[int, dict[str, NDArray[Any]]] = {}
    start = 0
    for path in listed_shards(folder, manifest, side):
        with open_shard(path) as file:
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                mine = [number for number in wanted if start <= number < start + count]
                if mine:
                    columns = _group_columns(file, group)
                    found |= {n: {name: values[n - start] for name, values in columns.items()} for n in mine}
                start += count
    return found


def iterate_batches(
    folder: Path, manifest: Manifest, side: Side, batch_size: int, part: tuple[int, int] = (0, 1)
) -> Iterator[dict[str, torch.Tensor]]:
    """The rows of a side in batches, always in the same order, a few row groups in memory.

    Args:
        folder: of the data set.
        manifest: its manifest.
        side: whose rows.
        batch_size: rows a batch; the last one is smaller.
        part: (i, n): row group g is given to part g % n, so that n workers see each row once.
    """
    index, parts = part
    assert 0 <= index < parts
    assert batch_size > 0
    waiting: dict[str, torch.Tensor] = {}
    for tensors in _row_groups(folder, manifest, side, part):
        waiting = {name: torch.cat([waiting[name], tensors[name]]) for name in tensors} if waiting else tensors
        while len(waiting["image"]) >= batch_size:
            yield {name: values[:batch_size] for name, values in waiting.items()}
            waiting = {name: values[batch_size:] for name, values in waiting.items()}
    if waiting and len(waiting["image"]):
        yield waiting


def listed_shards(folder: Path, manifest: Manifest, side: Side) -> list[Path]:
    """The shards of a side, after a check that the folder holds these and no others.

    Raises:
        DataError: one is missing, or one is there that the manifest does not list.
    """
    listed = [folder / shard.path for shard in manifest.shards if shard.side == side]
    if not listed:
        raise DataError(f"{folder}: no rows for {side!r}. Prepare it again with more patients.")
    present = set((folder / f"split={side}").glob("*.parquet"))
    for path in listed:
        if path not in present:
            raise DataError(f"{path}: listed in the manifest, but not there. Prepare the folder again.")
    for path in sorted(present - set(listed)):
        raise DataError(f"{path}: not listed in the manifest. Remove it, or prepare the folder again.")
    return listed


def open_shard(path: Path) -> pq.ParquetFile:
    """A shard whose columns are primitive or fixed-shape tensors.

    Raises:
        DataError: it is damaged.
        SchemaError: it has a column of another type.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: a damaged shard ({error}). Prepare the folder again.") from None
    for field in file.schema_arrow:
        is_tensor = isinstance(field.type, pa.FixedShapeTensorType)
        if not is_tensor and (isinstance(field.type, pa.BaseExtensionType) or pa.types.is_nested(field.type)):
            raise SchemaError(f"{path}: column {field.name!r} is {field.type}; only primitive and tensor are read.")
    return file


def _sizes(records: Sequence[SliceRecord]) -> tuple[int, int]:
    """(rows a row group, rows a shard)"""
    row_bytes = records[0].image.nbytes + (0 if records[0].mask is None else records[0].mask.nbytes)
    rows_a_group = max(1, min(ROWS_A_GROUP, MOST_GROUP_BYTES // row_bytes))
    return rows_a_group, rows_a_group * max(1, SHARD_BYTES // (row_bytes * rows_a_group))


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
    for name in ("group_id", "patient_id", "source"):
        columns[name] = pa.array([getattr(row, name) for row in rows], pa.string())
    return pa.table(columns)


def _tensors(arrays: Sequence[NDArray[np.uint8]]) -> pa.FixedShapeTensorArray:
    # Contiguous by construction: of a view with a new axis pyarrow writes corrupt tensors.
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(np.stack(arrays)))


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd", compression_level=1) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _compare(path: Path, records: Sequence[SliceRecord], spans: Sequence[tuple[int, int]]) -> None:
    with open_shard(path) as file:
        for group, (first, last) in enumerate(spans):
            table = file.read_row_group(group, columns=[c for c in TENSORS if c in file.schema_arrow.names])
            for name in table.column_names:
                read = _numpy(table.column(name))
                if not all(np.array_equal(read[i - first], getattr(records[i], name)) for i in range(first, last)):
                    raise DataError(f"{path}: column {name!r} reads back differently. Check the disk, prepare again.")


def _row_groups(
    folder: Path, manifest: Manifest, side: Side, part: tuple[int, int] = (0, 1)
) -> Iterator[dict[str, torch.Tensor]]:
    """Columns as tensors of each row group of a part."""
    number = 0
    for path in listed_shards(folder, manifest, side):
        with open_shard(path) as file:
            for group in range(file.num_row_groups):
                if number % part[1] == part[0]:
                    yield {name: _tensor(values) for name, values in _group_columns(file, group).items()}
                number += 1


def _group_columns(file: pq.ParquetFile, group: int) -> dict[str, NDArray[Any]]:
    names = [name for name in TRAINING_COLUMNS if name in file.schema_arrow.names]
    table = file.read_row_group(group, columns=names)
    return {name: _numpy(table.column(name)) for name in names}


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(values))
    return tensor if tensor.dtype == torch.uint8 else tensor.to(torch.int64)


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if isinstance(array, pa.FixedShapeTensorArray):
        values: NDArray[Any] = array.to_numpy_ndarray()
        return values
    plain: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return plain
