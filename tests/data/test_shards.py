from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from glioray.data import shards as shards_module
from glioray.data.prepare import PrepareOptions, prepare
from glioray.data.records import SliceRecord
from glioray.data.shards import iterate_batches, load_side, open_shard, read_columns, read_rows, write_shards
from glioray.errors import DataError, SchemaError


@pytest.fixture
def dataset(kaggle_folder, tmp_path, monkeypatch):
    """22 rows for training in row groups of 4 and shards of 8."""
    monkeypatch.setattr(shards_module, "ROWS_A_GROUP", 4)
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 8 * 32 * 32)
    options = PrepareOptions(image_size=32, val_fraction=0.13, test_fraction=0.13, workers=1)
    return prepare("kaggle_mri", kaggle_folder, tmp_path / "out", options)


def records(count):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 2, 16, 16), dtype=np.uint8)
    masks = np.random.default_rng(1).integers(0, 3, (count, 16, 16), dtype=np.uint8)
    return [
        SliceRecord(pixels[i], masks[i], None, f"g{i}", f"g{i}", i, f"file{i}", 1.5, 2.5, 0.5) for i in range(count)
    ]


def test_pixels_and_figures_come_back_from_a_shard(tmp_path) -> None:
    rows = records(5)
    places = {f"g{i}": i for i in range(5)}
    (shard,) = write_shards(tmp_path, "train", rows, places, places)
    table = pq.read_table(tmp_path / shard.path)
    assert np.array_equal(table["image"].chunk(0).to_numpy_ndarray(), np.stack([row.image for row in rows]))
    assert np.array_equal(table["mask"].chunk(0).to_numpy_ndarray(), np.stack([row.mask for row in rows]))
    assert table["brain_mean"].to_pylist() == [1.5] * 5
    assert table["source"].to_pylist() == [row.source for row in rows]


def test_a_shard_that_reads_back_differently_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shards_module, "_tensors", lambda arrays: _wrong(np.stack(arrays)))
    with pytest.raises(DataError, match="reads back differently"):
        write_shards(
            tmp_path, "train", records(3), dict.fromkeys(("g0", "g1", "g2"), 0), dict.fromkeys(("g0", "g1", "g2"), 0)
        )


def _wrong(pixels):
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(pixels ^ 1))


def test_many_shards_hold_every_row_once(dataset) -> None:
    train = [shard for shard in dataset.manifest.shards if shard.side == "train"]
    assert len(train) > 1
    sources = [
        s
        for side in ("train", "val", "test")
        for s in read_columns(dataset.folder, dataset.manifest, side, ["source"])["source"]
    ]
    assert len(sources) == len(set(sources)) == 32


def test_batches_are_the_side_in_its_order(dataset) -> None:
    whole = load_side(dataset.folder, dataset.manifest, "train")
    batches = list(iterate_batches(dataset.folder, dataset.manifest, "train", 5))
    assert [len(batch["label"]) for batch in batches][:-1] == [5] * (len(batches) - 1)
    for name, values in whole.items():
        assert torch.equal(torch.cat([batch[name] for batch in batches]), values)


@pytest.mark.parametrize("parts", [2, 3, 50])
def test_the_parts_of_all_workers_are_every_row_once(dataset, parts) -> None:
    seen = [
        image.numpy().tobytes()
        for part in range(parts)
        for batch in iterate_batches(dataset.folder, dataset.manifest, "train", 3, (part, parts))
        for image in batch["image"]
    ]
    whole = load_side(dataset.folder, dataset.manifest, "train")["image"]
    assert sorted(seen) == sorted(image.numpy().tobytes() for image in whole)


def test_single_rows_are_those_of_the_whole_side(dataset) -> None:
    whole = load_side(dataset.folder, dataset.manifest, "train")
    picked = read_rows(dataset.folder, dataset.manifest, "train", {0, 5, 17})
    assert sorted(picked) == [0, 5, 17]
    assert all(np.array_equal(picked[i]["image"], whole["image"][i]) for i in picked)


def test_training_rows_are_shuffled_and_test_rows_sorted(dataset) -> None:
    train = read_columns(dataset.folder, dataset.manifest, "train", ["source"])["source"]
    test = read_columns(dataset.folder, dataset.manifest, "test", ["group_id"])["group_id"]
    assert train != sorted(train)
    assert test == sorted(test)


def test_indices_point_into_the_sorted_groups_of_the_split(dataset) -> None:
    columns = read_columns(dataset.folder, dataset.manifest, "val", ["group_id", "group_index", "patient_index"])
    names = list(dataset.split.groups)
    assert [names[i] for i in columns["group_index"]] == columns["group_id"]
    assert set(columns["patient_index"]) == {-1}


def test_a_shard_that_is_not_listed_is_refused(dataset) -> None:
    (dataset.folder / "split=val" / "part-99999.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="not listed"):
        load_side(dataset.folder, dataset.manifest, "val")


def test_a_damaged_shard_is_one_line(dataset) -> None:
    path = dataset.folder / "split=val" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="a damaged shard") as raised:
        load_side(dataset.folder, dataset.manifest, "val")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("column", [pa.array([[1, 2]]), pa.array([{"a": 1}])])
def test_columns_of_other_types_are_refused(tmp_path, column) -> None:
    pq.write_table(pa.table({"image": column}), tmp_path / "x.parquet")
    with pytest.raises(SchemaError, match="only primitive and tensor"):
        open_shard(tmp_path / "x.parquet")


def test_another_extension_type_is_refused(tmp_path) -> None:
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"]))
    pq.write_table(pa.table({"image": column}), tmp_path / "x.parquet")
    with pytest.raises(SchemaError, match="only primitive and tensor"):
        open_shard(tmp_path / "x.parquet")
