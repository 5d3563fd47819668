from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from glioray.data import shard_writer
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.shards import iterate_batches, load_side, open_shard, read_columns, read_rows
from glioray.errors import DataError, SchemaError


@pytest.fixture(scope="module")
def dataset(kaggle_scans, tmp_path_factory):
    """24 rows for training in row groups of 4 and shards of 8; not to be changed."""
    options = PrepareOptions(image_size=32, val_fraction=0.13, test_fraction=0.13, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_writer, "ROWS_A_GROUP", 4)
        patch.setattr(shard_writer, "SHARD_BYTES", 8 * 32 * 32)
        return prepare("kaggle_mri", kaggle_scans, tmp_path_factory.mktemp("shards") / "out", options)


@pytest.fixture
def copy(dataset, tmp_path):
    """A copy of the data set for the test alone."""
    return PreparedDataset.open(shutil.copytree(dataset.folder, tmp_path / "out"))


def test_many_shards_hold_every_row_once(dataset) -> None:
    train = [shard for shard in dataset.manifest.shards if shard.side == "train"]
    assert len(train) > 1
    sources = [
        s
        for side in ("train", "val", "test")
        for s in read_columns(dataset.folder, dataset.manifest, side, ["source"])["source"]
    ]
    assert len(sources) == len(set(sources)) == 32


def test_tensors_are_read_as_plain_arrays_of_each_row(dataset) -> None:
    columns = read_columns(dataset.folder, dataset.manifest, "train", ["intensity", "raw_height", "spacing_row_mm"])
    assert len(columns["intensity"]) == len(columns["raw_height"]) == 24
    assert {values.shape for values in columns["intensity"]} == {(1, 2)}
    assert set(columns["raw_height"]) == {64}
    assert set(columns["spacing_row_mm"]) == {None}


def test_a_model_is_given_neither_sizes_nor_spacing_nor_figures(dataset) -> None:
    """What gives the class away without a look at the head must not be in reach."""
    whole = load_side(dataset.folder, dataset.manifest, "train")
    assert set(whole) == {"image", "label", "group_index", "patient_index"}


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


def test_a_shard_that_is_not_listed_is_refused(copy) -> None:
    (copy.folder / "split=val" / "part-99999.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="not listed"):
        load_side(copy.folder, copy.manifest, "val")


def test_a_damaged_shard_is_one_line(copy) -> None:
    path = copy.folder / "split=val" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="a damaged shard") as raised:
        load_side(copy.folder, copy.manifest, "val")
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


@pytest.mark.parametrize("name", ["ray.data.arrow_pickled_object", "known.to.nobody.here"])
def test_a_type_that_this_process_does_not_know_is_refused_since_another_may(tmp_path, name) -> None:
    """Ray unpickles its own where it is imported, which it is not where a folder is checked first."""
    named = pa.field(
        "image", pa.large_binary(), metadata={"ARROW:extension:name": name, "ARROW:extension:metadata": ""}
    )
    pq.write_table(pa.table([pa.array([b"."], pa.large_binary())], pa.schema([named])), tmp_path / "x.parquet")
    with pytest.raises(SchemaError, match="only primitive and tensor"):
        open_shard(tmp_path / "x.parquet")


def spoiled(copy, change):
    """The first shard of train with its table changed."""
    shard = copy.folder / copy.manifest.shards[0].path
    pq.write_table(change(pq.read_table(shard, partitioning=None)), shard, row_group_size=4)
    return lambda: load_side(copy.folder, copy.manifest, "train")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.append_column("label", table["label"]), "two columns 'label'"),
        (lambda table: table.drop_columns(["group_index"]), "no column 'group_index'"),
        (lambda table: table.set_column(1, "label", pa.array(["a"] * len(table))), "column 'label' is string"),
        (lambda table: table.set_column(0, "image", table["label"]), "column 'image' is int32"),
        (lambda table: table.set_column(1, "label", pa.nulls(len(table), pa.int32())), "a row has no 'label'"),
        (lambda table: table.drop_columns(["label"]), "holds rows of"),
    ],
)
def test_a_shard_with_other_columns_than_ours_is_refused(copy, change, words) -> None:
    with pytest.raises(DataError, match=words):
        spoiled(copy, change)()


def test_a_side_without_a_row_is_refused(copy) -> None:
    for shard in copy.manifest.shards:
        table = pq.read_table(copy.folder / shard.path, partitioning=None)
        pq.write_table(table.slice(0, 0), copy.folder / shard.path)
    with pytest.raises(DataError, match="hold no row"):
        load_side(copy.folder, copy.manifest, "train")


@pytest.mark.parametrize("read", [load_side, lambda *side: read_columns(*side, ["group_id"])])
def test_a_page_that_is_damaged_is_told_when_it_is_read(copy, read) -> None:
    """The footer is sound, so that opening the shard does not show it."""
    shard = copy.folder / copy.manifest.shards[0].path
    content = shard.read_bytes()
    body = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    shard.write_bytes(b"\xff" * body + content[body:])
    with pytest.raises(DataError, match="a damaged shard"):
        read(copy.folder, copy.manifest, "train")


def test_a_name_of_a_column_that_is_no_text_is_damage(copy) -> None:
    shard = copy.folder / copy.manifest.shards[0].path
    shard.write_bytes(shard.read_bytes().replace(b"brain_std", b"brain\xffstd"))
    with pytest.raises(DataError, match="a damaged shard"):
        open_shard(shard)
