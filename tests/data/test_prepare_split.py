"""Splits and folds: our own, published ones, and those that are given."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from tests.data.conftest import SIDES, SMALL, assert_refused, columns_of, with_

from glioray.data.prepare import prepare
from glioray.data.prepared import PreparedDataset
from glioray.data.shards import read_columns
from glioray.errors import DataError, LeakError

pytestmark = pytest.mark.usefixtures("short_page")


def test_folds_hold_every_image_once(kaggle_scans, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", with_(SMALL, folds=4))
    assert [path.name for path in sorted(dataset.folder.glob("split=*"))] == [f"split=fold-{i}" for i in range(4)]
    (sources,) = columns_of(dataset, "source")
    assert len(sources) == len(set(sources)) == 32
    assert {tuple(c.rows_by_output.values()) for c in dataset.manifest.counts.values()} == {(2, 2, 2, 2)}


def test_a_published_split_says_how_leaky_it_is(kaggle_folder, tmp_path) -> None:
    shutil.copy(
        kaggle_folder / "Training" / "glioma" / "Training_0.jpg", kaggle_folder / "Testing" / "glioma" / "again.jpg"
    )
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", with_(SMALL, split="published"))
    assert str(dataset.manifest.leak) == "leaky: 1 of 9 test images have a copy in training"
    (sources,) = read_columns(dataset.folder, dataset.manifest, "test", ["source"]).values()
    assert all(source.startswith("Testing/") for source in sources)


@pytest.fixture
def split_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"train": ["P3", "P0"], "val": ["P2"], "test": ["P1"]}')
    return path


def test_a_given_split_is_honored(lgg_scans, tmp_path, split_file) -> None:
    dataset = prepare("lgg", lgg_scans, tmp_path / "out", with_(SMALL, split_file=split_file))
    assert [dataset.patients(side) for side in SIDES] == [("P0", "P3"), ("P2",), ("P1",)]
    settings = dataset.manifest.settings
    assert (settings.split, settings.split_hash) == ("file", hashlib.sha256(split_file.read_bytes()).hexdigest())


def test_the_split_of_one_data_set_can_be_given_to_another(lgg_scans, tmp_path) -> None:
    first = prepare("lgg", lgg_scans, tmp_path / "one", SMALL)
    given = with_(SMALL, split_file=first.folder / "split.json", image_size=48, seed=9)
    second = prepare("lgg", lgg_scans, tmp_path / "two", given)
    assert second.split.groups == first.split.groups


def test_our_folds_of_unnamed_images_can_be_given_to_what_is_left_of_them(kaggle_folder, tmp_path) -> None:
    """Groups keep their names, also those of copies, when a file before them is taken away."""
    folder = kaggle_folder / "Training" / "glioma"
    shutil.copy(folder / "Training_3.jpg", folder / "again.jpg")
    first = prepare("kaggle_mri", kaggle_folder, tmp_path / "one", with_(SMALL, folds=3))
    (folder / "Training_0.jpg").unlink()
    given = with_(SMALL, split_file=first.folder / "split.json", seed=9)
    second = prepare("kaggle_mri", kaggle_folder, tmp_path / "two", given)
    gone = set(first.split.groups.items()) - set(second.split.groups.items())
    assert {group for group, _ in gone} == {"Training/glioma/Training_0.jpg"}
    assert second.split.groups["Training/glioma/Training_3.jpg"] == first.split.groups["Training/glioma/Training_3.jpg"]


def test_the_folds_of_nnunet_are_honored(lgg_scans, tmp_path, split_file) -> None:
    split_file.write_text('[{"train": [], "val": ["P1", "P3"]}, {"train": [], "val": ["P0"]}, {"val": ["P2"]}]')
    dataset = prepare("lgg", lgg_scans, tmp_path / "out", with_(SMALL, split_file=split_file))
    assert dataset.manifest.settings.folds == 3
    view = PreparedDataset.open(dataset.folder, 2)
    assert [view.patients(side) for side in SIDES] == [("P0",), ("P1", "P3"), ("P2",)]


def test_folds_that_are_given_keep_their_empty_slices(lgg_scans, tmp_path, split_file) -> None:
    split_file.write_text('[{"val": ["P1", "P3"]}, {"val": ["P0"]}, {"val": ["P2"]}]')
    options = with_(SMALL, split_file=split_file, drop_empty=0.5)
    assert_refused(DataError, lgg_scans, tmp_path / "out", r"mine\.json is a list of folds", "lgg", options)


def test_another_given_split_prepares_anew(lgg_scans, tmp_path, split_file) -> None:
    options = with_(SMALL, split_file=split_file)
    first = prepare("lgg", lgg_scans, tmp_path / "out", options)
    split_file.write_text('{"train": ["P2", "P0"], "val": ["P3"], "test": ["P1"]}')
    assert prepare("lgg", lgg_scans, tmp_path / "out", options).split != first.split


def test_a_given_split_that_parts_copies_is_a_leak(lgg_folder, tmp_path, split_file) -> None:
    """P2 is a copy of P3."""
    for path in (lgg_folder / "kaggle_3m" / "P3").iterdir():
        shutil.copy(path, lgg_folder / "kaggle_3m" / "P2" / path.name.replace("P3", "P2"))
    said = "'P2' is in val and 'P3' in train, but they copy each other"
    options = with_(SMALL, split_file=split_file)
    assert_refused(LeakError, lgg_folder, tmp_path / "out", said, "lgg", options)
    dataset = prepare("lgg", lgg_folder, tmp_path / "out", SMALL)
    assert dataset.manifest.duplicates.nested == (("P2", "P3"),)
    assert "P2+P3" in dataset.split.groups


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"train": ["P3", "P0"], "val": ["P2"], "test": ["P9"]}', "the first that is missing is 'P1'"),
        ('{"train": ["P3", "P0"], "val": ["P2"], "exam": ["P1"]}', "is put in"),
        ('{"train": ["P3", "P0", "P1"], "val": ["P2"], "test": ["P1"]}', "'P1' stands there twice"),
        ('{"train": ["P3", "P0", "P1"], "val": ["P2"], "test": []}', "nobody is in 'test'"),
        ('{"train": ["P3", "P0", "P1", "P2"], "val": ["P8"], "test": ["P9"]}', "nobody of those in 'test' was read"),
    ],
)
def test_a_given_split_that_does_not_hold_is_refused(lgg_scans, tmp_path, split_file, content, said) -> None:
    split_file.write_text(content)
    assert_refused(DataError, lgg_scans, tmp_path / "out", said, "lgg", with_(SMALL, split_file=split_file))
