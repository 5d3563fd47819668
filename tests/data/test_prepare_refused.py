"""What cannot be prepared is one line, and leaves what was there."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from tests.data.conftest import SMALL, assert_refused, bytes_of, with_

from glioray.data import staging as staging_module
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.errors import DataError, UnreadableError

pytestmark = pytest.mark.usefixtures("short_page")


def test_a_text_file_named_jpg_is_refused(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Testing" / "glioma" / "notes.jpg").write_text("remember to label these\n")
    said = r"^Testing/glioma/notes\.jpg: is text, not an image.*--skip-unreadable"
    assert_refused(UnreadableError, kaggle_folder, tmp_path / "out", said)


@pytest.fixture
def broken_folder(kaggle_folder):
    """With two files that are no images."""
    (kaggle_folder / "Testing" / "glioma" / "notes.jpg").write_text("remember to label these\n")
    (kaggle_folder / "Training" / "pituitary" / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0half")
    return kaggle_folder


def test_all_files_that_cannot_be_read_are_named_at_once(broken_folder, tmp_path) -> None:
    with pytest.raises(UnreadableError, match=r"^2 of 34 cases cannot be used") as raised:
        prepare("kaggle_mri", broken_folder, tmp_path / "out", SMALL)
    _, *lines, last = str(raised.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        "Testing/glioma/notes.jpg",
        "Training/pituitary/half.jpg",
    ]
    assert "--skip-unreadable" in last


def test_files_that_cannot_be_read_are_listed_where_they_may_be_skipped(broken_folder, tmp_path) -> None:
    dataset = prepare("kaggle_mri", broken_folder, tmp_path / "out", with_(SMALL, skip_unreadable=True))
    dataset.verify(hashes=True)
    assert [refused.source for refused in dataset.manifest.refused] == [
        "Testing/glioma/notes.jpg",
        "Training/pituitary/half.jpg",
    ]
    assert all(refused.reason.startswith(refused.source) for refused in dataset.manifest.refused)
    assert dataset.manifest.facts.cases == 32
    assert sum(counts.rows for counts in dataset.manifest.sides.values()) == 32
    with pytest.raises(UnreadableError, match="2 of 34"):
        prepare("kaggle_mri", broken_folder, tmp_path / "out", SMALL)


@pytest.mark.parametrize("source", ["kaggle_mri", "lgg", "phantom"])
def test_an_empty_folder_is_refused(tmp_path, source) -> None:
    (tmp_path / "raw").mkdir()
    assert_refused(DataError, tmp_path / "raw", tmp_path / "out", str(tmp_path / "raw"), source)


def test_a_missing_folder_is_refused(tmp_path) -> None:
    assert_refused(DataError, tmp_path / "nowhere", tmp_path / "out", "no such folder")


def test_a_missing_class_folder_is_refused(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Training" / "notumor").rename(kaggle_folder / "Training" / "no_tumor")
    assert_refused(DataError, kaggle_folder, tmp_path / "out", "class folder 'notumor' is missing")


def test_an_empty_class_folder_is_refused(kaggle_folder, tmp_path) -> None:
    for path in (kaggle_folder / "Testing" / "glioma").iterdir():
        path.unlink()
    assert_refused(DataError, kaggle_folder, tmp_path / "out", "glioma: no image in it")


def test_a_mask_of_another_size_is_refused(lgg_folder, tmp_path) -> None:
    Image.fromarray(np.zeros((32, 40), np.uint8)).save(lgg_folder / "kaggle_3m" / "P2" / "P2_3_mask.tif")
    said = r"P2_3_mask\.tif: the mask is \(32, 40\) px, its image is \(32, 32\)"
    assert_refused(UnreadableError, lgg_folder, tmp_path / "out", said, "lgg")


def test_a_missing_mask_is_refused(lgg_folder, tmp_path) -> None:
    (lgg_folder / "kaggle_3m" / "P2" / "P2_3_mask.tif").unlink()
    assert_refused(DataError, lgg_folder, tmp_path / "out", r"mask 'P2_3_mask\.tif' is missing", "lgg")


def test_a_truncated_tiff_is_refused(lgg_folder, tmp_path) -> None:
    path = lgg_folder / "kaggle_3m" / "P1" / "P1_4.tif"
    path.write_bytes(path.read_bytes()[:900])
    assert_refused(UnreadableError, lgg_folder, tmp_path / "out", r"P1/P1_4\.tif", "lgg")


def test_a_folder_of_which_nothing_can_be_read_is_refused_though_files_may_be_skipped(lgg_folder, tmp_path) -> None:
    for path in lgg_folder.rglob("*_mask.tif"):
        path.write_text("not a mask\n")
    options = with_(SMALL, skip_unreadable=True)
    assert_refused(DataError, lgg_folder, tmp_path / "out", "none of 4 cases could be read", "lgg", options)


def test_an_output_that_holds_something_else_is_refused_untouched(kaggle_scans, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("mine")
    assert_refused(DataError, kaggle_scans, tmp_path / "out", r"thesis\.docx")
    assert (tmp_path / "out" / "thesis.docx").read_text() == "mine"


def test_a_source_that_is_not_there_suggests_the_nearest(kaggle_scans, tmp_path) -> None:
    assert_refused(DataError, kaggle_scans, tmp_path / "out", "did you mean 'kaggle_mri'", "kagle_mri")


def test_a_task_that_the_source_has_not_is_refused(kaggle_scans, tmp_path) -> None:
    options = with_(SMALL, task="segmentation")
    assert_refused(DataError, kaggle_scans, tmp_path / "out", "has no segmentation", options=options)


def test_an_option_that_the_source_has_not_is_refused(kaggle_scans, tmp_path) -> None:
    options = with_(SMALL, source_options={"channel_order": ["t1"]})
    assert_refused(DataError, kaggle_scans, tmp_path / "out", "option 'channel_order'", options=options)


def test_a_disk_that_fills_up_leaves_the_old_data_set(kaggle_scans, tmp_path, monkeypatch) -> None:
    dataset = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL)
    before = bytes_of(dataset.folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(staging_module, "write_whole", full)
    assert_refused(DataError, kaggle_scans, tmp_path / "out", "no space left", options=with_(SMALL, seed=5))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert bytes_of(dataset.folder) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"val_fraction": 0.45, "test_fraction": 0.45}, r"leave under 0\.2 for training"),
        ({"folds": 5, "split": "published"}, "only one can be had"),
        ({"folds": 5, "split_file": "mine.json"}, "only one can be had"),
        ({"split": "published", "split_file": "mine.json"}, "only one can be had"),
        ({"folds": 5, "drop_empty": 0.5}, "every fold is tested on once"),
        ({"folds": 2}, "greater than or equal to 3"),
        ({"drop_empty": 1.5}, "less than or equal to 1"),
        ({"memory_gb": 1}, "greater than or equal to 2"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, said) -> None:
    with pytest.raises(ValidationError, match=said):
        PrepareOptions(**options)
