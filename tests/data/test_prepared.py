from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.records import Signature
from glioray.data.shards import iterate_batches, load_side, read_columns, read_rows
from glioray.errors import DataError, LeakError

SIDES = ("train", "val", "test")


@pytest.fixture(scope="module")
def prepared(lgg_scans, tmp_path_factory):
    """Four patients; not to be changed."""
    options = PrepareOptions(image_size=32, workers=1)
    return prepare("lgg", lgg_scans, tmp_path_factory.mktemp("prepared") / "out", options)


@pytest.fixture
def dataset(prepared, tmp_path):
    """A copy for the test alone."""
    return PreparedDataset.open(shutil.copytree(prepared.folder, tmp_path / "out"))


@pytest.fixture(scope="module")
def folds(kaggle_scans, tmp_path_factory):
    """Four folds of 8 images; not to be changed."""
    options = PrepareOptions(image_size=32, workers=1, folds=4)
    return prepare("kaggle_mri", kaggle_scans, tmp_path_factory.mktemp("folds") / "out", options)


def sources_of(dataset, part):
    return read_columns(dataset.folder, dataset.manifest, part, ["source"])["source"]


def test_a_prepared_folder_opens_as_it_was_made(prepared) -> None:
    opened = PreparedDataset.open(prepared.folder)
    opened.verify(hashes=True)
    assert opened == prepared
    assert opened.signature == Signature(3, 1, 32)


def test_patients_of_the_sides_are_all_patients(dataset) -> None:
    sides = [dataset.patients(side) for side in SIDES]
    assert sorted(sum(sides, ())) == ["P0", "P1", "P2", "P3"]
    assert sides[0] == dataset.groups("train")


def test_rows_that_name_no_patient_are_nobody_among_the_patients(dataset) -> None:
    path = dataset.folder / "split=train" / "part-00000.parquet"
    table = pq.read_table(path, partitioning=None)
    names = [None, *table["patient_id"].to_pylist()[1:]]
    index = table.column_names.index("patient_id")
    field = table.schema.field(index)
    pq.write_table(table.set_column(index, field, pa.array(names, field.type)), path)
    assert dataset.patients("train") == dataset.groups("train")


def test_a_scan_has_the_same_hash_in_every_data_set(lgg_folder, dataset, tmp_path) -> None:
    (lgg_folder / "kaggle_3m" / "P1").rename(lgg_folder / "kaggle_3m" / "Q1")
    for path in (lgg_folder / "kaggle_3m" / "Q1").iterdir():
        path.rename(path.with_name(path.name.replace("P1", "Q1")))
    options = PrepareOptions(image_size=48, workers=1, seed=7)
    other = prepare("lgg", lgg_folder, tmp_path / "other", options)
    hashes = [frozenset().union(*(data.case_hashes(side) for side in SIDES)) for data in (dataset, other)]
    assert hashes[0] == hashes[1]
    assert [len(dataset.case_hashes(side)) for side in SIDES] == [2, 1, 1]


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


def test_a_folder_that_was_never_prepared_says_how_to(tmp_path) -> None:
    with pytest.raises(DataError, match="glioray prepare SOURCE RAW --out"):
        PreparedDataset.open(tmp_path)


def test_folds_opened_without_a_choice_have_no_sides(folds) -> None:
    opened = PreparedDataset.open(folds.folder)
    opened.verify(hashes=True)
    assert opened == folds
    assert opened.manifest.parts == ("fold-0", "fold-1", "fold-2", "fold-3")
    with pytest.raises(DataError, match=r"choose the one to test on with data\.fold"):
        opened.describe("train")


@pytest.mark.parametrize("fold", range(4))
def test_the_sides_of_a_fold_are_a_partition_of_all_rows(folds, fold) -> None:
    view = PreparedDataset.open(folds.folder, fold)
    view.verify(hashes=True)
    sides = {side: sources_of(view, side) for side in SIDES}
    whole = [source for part in folds.manifest.parts for source in sources_of(folds, part)]
    assert sorted(source for sources in sides.values() for source in sources) == sorted(whole)
    assert sides["test"] == sources_of(folds, f"fold-{fold}")
    assert sides["val"] == sources_of(folds, f"fold-{(fold + 1) % 4}")
    assert {group for side in SIDES for group in view.groups(side)} == set(folds.split.groups)


def test_counts_and_normalization_of_a_fold_are_those_of_its_rows(folds) -> None:
    view = PreparedDataset.open(folds.folder, 1)
    for side in SIDES:
        rows, counts = load_side(view.folder, view.manifest, side), view.manifest.sides[side]
        assert counts.rows == len(rows["label"])
        assert counts.groups == len(rows["group_index"].unique()) == len(view.groups(side))
        assert list(counts.rows_by_output.values()) == torch.bincount(rows["label"], minlength=4).tolist()
    pixels = load_side(view.folder, view.manifest, "train")["image"].numpy().astype(np.float64)
    assert view.manifest.normalization.mean == pytest.approx([pixels.mean()], abs=1e-3)
    assert view.manifest.normalization.std == pytest.approx([pixels.std()], abs=1e-3)


def test_all_ways_to_read_a_side_of_a_fold_give_the_same_rows(folds) -> None:
    view = PreparedDataset.open(folds.folder, 2)
    whole = load_side(view.folder, view.manifest, "train")
    batches = list(iterate_batches(view.folder, view.manifest, "train", 3))
    assert torch.equal(torch.cat([batch["image"] for batch in batches]), whole["image"])
    single = read_rows(view.folder, view.manifest, "train", {0, 9, 15})
    assert all(np.array_equal(single[i]["image"], whole["image"][i]) for i in single)
    assert len(single) == 3


def test_every_fold_is_another_data_set(folds) -> None:
    views = [PreparedDataset.open(folds.folder, fold) for fold in range(4)]
    assert len({view.manifest.fingerprint for view in views} | {folds.manifest.fingerprint}) == 5
    assert {view.signature for view in views} == {folds.signature}


def test_a_fold_that_is_not_there_is_refused(folds, dataset) -> None:
    with pytest.raises(DataError, match="these data have folds 0 to 3"):
        PreparedDataset.open(folds.folder, 4)
    with pytest.raises(DataError, match="these data have no folds"):
        PreparedDataset.open(dataset.folder, 0)
