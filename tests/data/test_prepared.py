from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glioray.data.manifest import FILE_NAME, Leak, Manifest
from glioray.data.prepare import PrepareOptions, prepare
from glioray.data.prepared import PreparedDataset
from glioray.data.records import Signature
from glioray.errors import DataError, LeakError, SchemaError


@pytest.fixture
def dataset(lgg_folder, tmp_path):
    return prepare("lgg", lgg_folder, tmp_path / "out", PrepareOptions(image_size=32, workers=1))


def edit_manifest(dataset, **changes):
    path = dataset.folder / FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_prepared_folder_opens_as_it_was_made(dataset) -> None:
    opened = PreparedDataset.open(dataset.folder)
    opened.verify(hashes=True)
    assert opened == dataset
    assert opened.signature == Signature(3, 1, 32)


def test_patients_of_the_sides_are_all_patients(dataset) -> None:
    sides = [dataset.patients(side) for side in ("train", "val", "test")]
    assert sorted(sum(sides, ())) == ["P0", "P1", "P2", "P3"]
    assert sides[0] == dataset.groups("train")


def test_a_group_on_two_sides_of_the_shards_is_a_leak(dataset) -> None:
    """Somebody copied a training shard over the test shard."""
    train = pq.read_table(dataset.folder / "split=train" / "part-00000.parquet")
    test = dataset.folder / "split=test" / "part-00000.parquet"
    pq.write_table(train.slice(0, pq.read_metadata(test).num_rows), test)
    with pytest.raises(LeakError, match=r"in train \(.* slices\) and in test"):
        dataset.verify()


def test_a_split_file_that_does_not_fit_the_shards_is_refused(dataset) -> None:
    path = dataset.folder / "split.json"
    path.write_text(path.read_text().replace('"P1"', '"P9"'))
    with pytest.raises(DataError, match="not the split of these shards"):
        PreparedDataset.open(dataset.folder).verify()


def test_a_missing_shard_is_refused(dataset) -> None:
    (dataset.folder / "split=val" / "part-00000.parquet").unlink()
    with pytest.raises(DataError, match="not there"):
        dataset.verify()


def test_a_shard_with_fewer_rows_is_refused(dataset) -> None:
    path = dataset.folder / "split=val" / "part-00000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 3), path)
    with pytest.raises(DataError, match="3 rows, the manifest lists 11"):
        dataset.verify()


def test_a_changed_shard_is_found_by_its_hash(dataset) -> None:
    path = dataset.folder / "split=val" / "part-00000.parquet"
    table = pq.read_table(path)
    index = table.column_names.index("slice_index")
    pq.write_table(table.set_column(index, "slice_index", pa.array([0] * len(table), pa.int32())), path)
    dataset.verify()
    with pytest.raises(DataError, match="changed since"):
        dataset.verify(hashes=True)


def test_shards_of_another_schema_version_are_refused(dataset) -> None:
    edit_manifest(dataset, schema_version=99)
    with pytest.raises(SchemaError, match=r"schema version 99; this glioray reads version 1\. Prepare") as raised:
        PreparedDataset.open(dataset.folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 1}', "\x00"])
def test_what_is_no_manifest_is_one_line(dataset, content) -> None:
    (dataset.folder / FILE_NAME).write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json") as raised:
        Manifest.load(dataset.folder)
    assert "\n" not in str(raised.value)


def test_a_folder_that_was_never_prepared_says_how_to(tmp_path) -> None:
    with pytest.raises(DataError, match="glioray prepare SOURCE RAW --out"):
        PreparedDataset.open(tmp_path)


def test_the_leak_line_names_both_numbers() -> None:
    leak = Leak(test_images=1311, with_copy_in_training=992)
    assert str(leak) == "leaky: 992 of 1311 test images have a copy in training"


def test_the_fingerprint_changes_with_a_byte_of_the_data(dataset) -> None:
    shards = dataset.manifest.shards
    other = dataset.manifest.model_copy(update={"shards": (shards[0].model_copy(update={"sha256": "0"}), *shards[1:])})
    assert other.fingerprint != dataset.manifest.fingerprint
