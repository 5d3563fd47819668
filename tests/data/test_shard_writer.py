from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glioray.data import shard_writer as writer_module
from glioray.data.records import SliceRecord
from glioray.data.shard_writer import ShardPlan, ShardWriter, plan_shards
from glioray.data.shards import numpy_of
from glioray.errors import DataError


def records(count, is_segmentation=True):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 2, 16, 16), dtype=np.uint8)
    masks = np.random.default_rng(1).integers(0, 3, (count, 16, 16), dtype=np.uint8)
    return [
        SliceRecord(
            image=pixels[i],
            mask=masks[i] if is_segmentation else None,
            label=None if is_segmentation else i % 4,
            group_id=f"g{i}",
            patient_id=f"p{i}" if i % 2 else None,
            case_id=f"c{i // 2}",
            case_hash=f"hash{i // 2}",
            slice_index=i,
            source=f"file{i}",
            brain_mean=1.5,
            brain_std=2.5,
            brain_fraction=0.5,
            raw_size_px=(100 + i, 200 + i),
            spacing_mm=(5.0, 1.5, 0.5) if i % 2 else None,
            label_pixels=(int((masks[i] == 1).sum()), int((masks[i] == 2).sum())) if is_segmentation else (),
            intensity=((-3.0, 0.5), (float(i), 2.0)),
        )
        for i in range(count)
    ]


@pytest.fixture
def make(tmp_path):
    """`make(records)`: a writer into new folders."""
    for name in ("out", "notes"):
        (tmp_path / name).mkdir()

    def writer(rows):
        groups = {row.group_id: index for index, row in enumerate(rows)}
        patients = {row.patient_id: 10 * index for index, row in enumerate(rows) if row.patient_id}
        return ShardWriter(tmp_path / "out", tmp_path / "notes", rows, groups, patients)

    return writer


def read(writer, plan):
    return pq.read_table(writer.folder / plan.path, partitioning=None)


def test_every_column_comes_back_as_it_was(make) -> None:
    rows = records(5)
    writer, plan = make(rows), ShardPlan("train", 0, (3, 0, 4))
    writer(plan)
    table, written = read(writer, plan), [rows[i] for i in (3, 0, 4)]
    for name in ("image", "mask", "label_pixels", "intensity"):
        wanted = np.stack([np.array(getattr(row, name)) for row in written])
        assert np.array_equal(numpy_of(table[name]), wanted), name
    plain = {name: table[name].to_pylist() for name in table.column_names if name not in ("image", "mask")}
    for name in (
        "slice_index",
        "brain_mean",
        "brain_std",
        "brain_fraction",
        "group_id",
        "patient_id",
        "case_id",
        "case_hash",
        "source",
    ):
        assert plain[name] == [getattr(row, name) for row in written], name
    assert (plain["raw_height"], plain["raw_width"]) == ([103, 100, 104], [203, 200, 204])
    assert (plain["group_index"], plain["patient_index"]) == ([3, 0, 4], [30, -1, -1])


def test_spacing_is_null_where_it_is_not_known(make) -> None:
    writer, plan = make(records(4)), ShardPlan("train", 0, (0, 1))
    writer(plan)
    table = read(writer, plan)
    spacing = [table[f"spacing_{axis}_mm"].to_pylist() for axis in ("slice", "row", "column")]
    assert spacing == [[None, 5.0], [None, 1.5], [None, 0.5]]
    assert all(table.schema.field(f"spacing_{axis}_mm").type == pa.float32() for axis in ("slice", "row", "column"))


def test_the_columns_of_the_tasks_are_those_of_the_contract(make) -> None:
    names = {}
    for is_segmentation in (True, False):
        writer, plan = make(records(3, is_segmentation)), ShardPlan(f"x{is_segmentation}", 0, (0, 1, 2))
        writer(plan)
        names[is_segmentation] = set(read(writer, plan).column_names)
    assert names[True] - names[False] == {"mask", "label_pixels"}
    assert names[False] - names[True] == {"label"}
    assert {"image", "intensity", "raw_height", "raw_width", "spacing_slice_mm"} <= names[True] & names[False]


def test_the_note_tells_the_hash_and_counts_every_pixel(make) -> None:
    rows = records(70)
    writer, plan = make(rows), ShardPlan("val", 2, tuple(range(70)))
    writer(plan)
    shard, histogram = writer.note(plan)
    assert (shard.path, shard.side, shard.rows) == ("split=val/part-00002.parquet", "val", 70)
    assert shard.sha256 == hashlib.sha256((writer.folder / plan.path).read_bytes()).hexdigest()
    for channel in range(2):
        pixels = np.stack([row.image[channel] for row in rows])
        assert np.array_equal(histogram[channel], np.bincount(pixels.ravel(), minlength=256))


@pytest.mark.parametrize("column", ["image", "mask"])
def test_a_shard_that_reads_back_differently_is_refused_and_not_there(make, monkeypatch, column) -> None:
    rows, whole = records(3), writer_module._write
    broken = [dataclasses.replace(row, **{column: getattr(row, column) ^ 1}) for row in rows]
    groups = {row.group_id: 0 for row in rows}
    patients = {row.patient_id: 0 for row in rows}
    monkeypatch.setattr(
        writer_module, "_write", lambda path, _: whole(path, iter([writer_module._table(broken, groups, patients)]))
    )
    writer, plan = make(rows), ShardPlan("train", 0, (0, 1, 2))
    with pytest.raises(DataError, match="reads back differently"):
        writer(plan)
    assert not (writer.folder / plan.path).exists()
    assert list(writer.notes.iterdir()) == []


def test_a_shard_that_is_there_is_not_written_again(make) -> None:
    writer, plan = make(records(3)), ShardPlan("train", 0, (0, 1, 2))
    writer(plan)
    before = (writer.folder / plan.path).stat().st_mtime_ns
    writer(plan)
    assert (writer.folder / plan.path).stat().st_mtime_ns == before


def test_a_shard_without_its_note_is_written_again(make) -> None:
    writer, plan = make(records(3)), ShardPlan("train", 0, (0, 1, 2))
    writer(plan)
    (note,) = writer.notes.iterdir()
    note.unlink()
    (writer.folder / plan.path).write_bytes(b"half")
    writer(plan)
    assert len(read(writer, plan)) == 3


def test_shards_hold_the_rows_of_a_part_in_their_order(monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "ROWS_A_GROUP", 4)
    row = records(1)[0]
    monkeypatch.setattr(writer_module, "SHARD_BYTES", 9 * (row.image.nbytes + row.mask.nbytes))
    order = list(range(30, 9, -1))
    plans = plan_shards("train", order, row)
    assert [len(plan.rows) for plan in plans] == [8, 8, 5]  # whole groups of 4
    assert [number for plan in plans for number in plan.rows] == order
    assert [plan.path for plan in plans] == [f"split=train/part-0000{i}.parquet" for i in range(3)]


def test_large_rows_are_still_one_a_group(make, monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "MOST_GROUP_BYTES", 10)
    writer, plan = make(records(3)), ShardPlan("train", 0, (0, 1, 2))
    writer(plan)
    assert pq.ParquetFile(writer.folder / plan.path).num_row_groups == 3


@given(st.booleans(), st.permutations(range(5)), st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=20)
def test_any_rows_come_back_as_they_were_and_give_the_same_bytes(
    tmp_path_factory, is_segmentation, order, count, rows_a_group
) -> None:
    rows, plan = records(5, is_segmentation), ShardPlan("train", 0, tuple(order[:count]))
    shards = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "ROWS_A_GROUP", rows_a_group)
        for _ in range(2):
            folder = tmp_path_factory.mktemp("shard")
            ShardWriter(folder, folder, rows, {f"g{i}": i for i in range(5)}, {f"p{i}": i for i in range(5)})(plan)
            shards.append(folder / plan.path)

    table = pq.read_table(shards[0], partitioning=None)
    assert shards[0].read_bytes() == shards[1].read_bytes()
    assert table["source"].to_pylist() == [f"file{i}" for i in plan.rows]
    assert np.array_equal(numpy_of(table["image"]), np.stack([rows[i].image for i in plan.rows]))
    assert table["patient_index"].to_pylist() == [i if i % 2 else -1 for i in plan.rows]
    assert table["spacing_row_mm"].to_pylist() == [1.5 if i % 2 else None for i in plan.rows]
