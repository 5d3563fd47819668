"""Rows in Parquet, read as tensors.

Columns: image (C,S,S) and mask (S,S) as arrow's canonical fixed-shape tensors of uint8, everything else
primitive. A reader takes only shards that the manifest lists, and no other extension type: one that runs
code on reading must never pass. Which types are known differs from process to process: Ray registers one for pickled
objects when it is imported. So a column is judged by the name that the file gives its type, known here or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from glioray.data.machine_errors import raise_if_of_machine
from glioray.data.manifest import Manifest
from glioray.errors import DataError, SchemaError

EXTENSION_NAME = b"ARROW:extension:name"
TRAINING_COLUMNS = ("image", "label", "mask", "group_index", "patient_index")
_TENSORS = {"image": pa.uint8(), "mask": pa.uint8(), "label_pixels": pa.int32(), "intensity": pa.float32()}
_INTEGERS = ("label", "group_index", "patient_index", "slice_index", "raw_height", "raw_width")
_AGAIN = "Prepare the folder again."
_TEXTS = ("group_id", "patient_id", "case_id", "case_hash", "source")


def read_columns(folder: Path, manifest: Manifest, side: str, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Whole columns of a side as plain values, in the order of the rows; not for pixels.

    Raises:
        DataError: a shard is missing, extra or damaged.
        SchemaError: it lacks a column, or has one of another type.
    """
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for shard in listed_shards(folder, manifest, side):
        with open_shard(shard, columns) as file, _told(shard):
            table = file.read(columns=list(columns))
            for column in columns:
                found = table.column(column)
                is_tensor = isinstance(found.type, pa.FixedShapeTensorType)
                values[column] += list(numpy_of(found)) if is_tensor else found.to_pylist()
    return values


def load_side(folder: Path, manifest: Manifest, side: str) -> dict[str, torch.Tensor]:
    """All rows of a side: image uint8 (N,C,S,S), label int64 (N,) or mask uint8 (N,S,S), and the indices.

    Raises:
        DataError: a shard is missing, extra or damaged, or another one than those beside it.
        SchemaError: it lacks a column, or has one of another type.
    """
    groups = list(_row_groups(folder, manifest, side))
    if not any(len(group["image"]) for group in groups):
        raise DataError(f"{folder}: the shards of {side!r} hold no row. {_AGAIN}")
    return {name: torch.cat([group[name] for group in groups]) for name in groups[0]}


def read_rows(
    folder: Path, manifest: Manifest, side: str, wanted: Collection[int]
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
                    columns = _group_columns(file, group, path)
                    found |= {n: {name: values[n - start] for name, values in columns.items()} for n in mine}
                start += count
    return found


def iterate_batches(
    folder: Path, manifest: Manifest, side: str, batch_size: int, part: tuple[int, int] = (0, 1)
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


def listed_shards(folder: Path, manifest: Manifest, side: str) -> list[Path]:
    """The shards of a side, after a check that the folder holds these and no others.

    Raises:
        DataError: one is missing, or one is there that the manifest does not list.
    """
    listed = [folder / shard.path for shard in manifest.shards if shard.side == side]
    if not listed:
        raise DataError(f"{folder}: no rows for {side!r}. Prepare it again with more patients.")
    present = {path for place in {path.parent for path in listed} for path in place.glob("*.parquet")}
    for path in listed:
        if path not in present:
            raise DataError(f"{path}: listed in the manifest, but not there. Prepare the folder again.")
    for path in sorted(present - set(listed)):
        raise DataError(f"{path}: not listed in the manifest. Remove it, or prepare the folder again.")
    return listed


def open_shard(path: Path, needed: Sequence[str] = ()) -> pq.ParquetFile:
    """A shard whose columns are primitive or fixed-shape tensors, and those that we write of the type that we write.

    Raises:
        DataError: it is damaged.
        SchemaError: it has a column of another type or twice, or lacks one that is needed.
    """
    with _told(path):
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        names = schema.names
    for field in schema:
        unknown = (field.metadata or {}).get(EXTENSION_NAME)
        is_tensor = isinstance(field.type, pa.FixedShapeTensorType)
        is_extension = unknown is not None or isinstance(field.type, pa.BaseExtensionType)
        if not is_tensor and (is_extension or pa.types.is_nested(field.type)):
            kind = unknown.decode("utf-8", "replace") if unknown else field.type
            raise SchemaError(f"{path}: column {field.name!r} is {kind}; only primitive and tensor are read.")
        if not _is_as_written(field):
            raise SchemaError(f"{path}: column {field.name!r} is {field.type}, as none is written. {_AGAIN}")
    _refuse_other_columns(path, names, needed)
    return file


def _is_as_written(field: pa.Field) -> bool:
    """Whether a column that we write is of its type; any other one may be of any."""
    if field.name in _TENSORS:
        return isinstance(field.type, pa.FixedShapeTensorType) and field.type.value_type == _TENSORS[field.name]
    if field.name in _INTEGERS:
        return bool(pa.types.is_integer(field.type))
    return field.name not in _TEXTS or bool(pa.types.is_string(field.type))


def _refuse_other_columns(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SchemaError(f"{path}: has two columns {twice[0]!r}. {_AGAIN}")
    if missing := [name for name in needed if name not in names]:
        raise SchemaError(f"{path}: has no column {missing[0]!r}. {_AGAIN}")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever is found damaged while a shard is read names it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise_if_of_machine(error)
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: a damaged shard ({reason}). {_AGAIN}") from None


def _row_groups(
    folder: Path, manifest: Manifest, side: str, part: tuple[int, int] = (0, 1)
) -> Iterator[dict[str, torch.Tensor]]:
    """Columns as tensors of each row group of a part."""
    number = 0
    first: dict[str, torch.Size] = {}
    for path in listed_shards(folder, manifest, side):
        with open_shard(path, ("image", "group_index", "patient_index")) as file:
            for group in range(file.num_row_groups):
                if number % part[1] == part[0]:
                    tensors = {name: _tensor(values) for name, values in _group_columns(file, group, path).items()}
                    shapes = {name: tensor.shape[1:] for name, tensor in tensors.items()}
                    first = first or shapes
                    if shapes != first:
                        raise DataError(f"{path}: holds rows of {shapes}, others of {first}. {_AGAIN}")
                    yield tensors
                number += 1


def _group_columns(file: pq.ParquetFile, group: int, path: Path) -> dict[str, NDArray[Any]]:
    names = [name for name in TRAINING_COLUMNS if name in file.schema_arrow.names]
    with _told(path):
        table = file.read_row_group(group, columns=names)
    if empty := [name for name in names if table.column(name).null_count]:
        raise DataError(f"{path}: a row has no {empty[0]!r}. {_AGAIN}")
    return {name: numpy_of(table.column(name)) for name in names}


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(values))
    return tensor if tensor.dtype == torch.uint8 else tensor.to(torch.int64)


def numpy_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as one array, of tensors too."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if isinstance(array, pa.FixedShapeTensorArray):
        values: NDArray[Any] = array.to_numpy_ndarray()
        return values
    plain: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return plain
