from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from glioray.data import prepare as prepare_module
from glioray.data.prepare import PrepareOptions, prepare
from glioray.data.prepared import load_side
from glioray.data.staging import Staging
from glioray.errors import DataError, UnreadableError

SMALL = PrepareOptions(image_size=32, workers=2, val_fraction=0.2, test_fraction=0.2)


def bytes_of(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def assert_refused(expected, raw, out, said, source="kaggle_mri", options=SMALL):
    """One line, and nothing beside or in place of what was there."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(expected, match=said) as raised:
        prepare(source, raw, out, options)
    assert "\n" not in str(raised.value)
    assert sorted(out.parent.iterdir()) == before


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(kaggle_folder, tmp_path) -> None:
    for name, workers in (("one", 1), ("other", 5)):
        prepare("kaggle_mri", kaggle_folder, tmp_path / name, SMALL.model_copy(update={"workers": workers}))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")


def test_no_file_names_the_machine(kaggle_folder, tmp_path) -> None:
    prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    for path in (tmp_path / "out").rglob("*.*"):
        assert str(tmp_path).encode() not in path.read_bytes()


def test_every_class_is_on_every_side(kaggle_folder, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    assert sum(counts.rows for counts in dataset.manifest.sides.values()) == 32
    assert all(min(counts.rows_by_output.values()) >= 1 for counts in dataset.manifest.sides.values())


def test_preparing_again_does_nothing(kaggle_folder, tmp_path) -> None:
    prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    inode = (tmp_path / "out").stat().st_ino
    stages = []
    prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL, lambda stage, done, total: stages.append(stage))
    assert (tmp_path / "out").stat().st_ino == inode
    assert "already prepared" in stages
    assert "read" not in stages


@pytest.mark.parametrize("change", [{"seed": 1}, {"image_size": 48}, {"split": "published"}, {"limit": 20}])
def test_other_settings_prepare_anew(kaggle_folder, tmp_path, change) -> None:
    first = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    second = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL.model_copy(update=change))
    assert first.manifest.fingerprint != second.manifest.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


def test_another_pixel_prepares_anew(kaggle_folder, tmp_path, draw_head) -> None:
    first = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    Image.fromarray(draw_head(999)).save(kaggle_folder / "Training" / "glioma" / "Training_0.jpg")
    second = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    assert first.manifest.settings.source_hash != second.manifest.settings.source_hash


def test_a_lost_shard_prepares_anew(kaggle_folder, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    (dataset.folder / "split=val" / "part-00000.parquet").unlink()
    prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL).verify(hashes=True)


def test_volumes_keep_their_masks_and_order(lgg_folder, tmp_path) -> None:
    dataset = prepare("lgg", lgg_folder / "kaggle_3m", tmp_path / "out", PrepareOptions(image_size=32))
    test = load_side(dataset.folder, dataset.manifest, "test")
    assert test["image"].shape == (11, 3, 32, 32)
    assert [int(mask.sum()) for mask in test["mask"]] == [0] * 9 + [64, 0]


def test_a_text_file_named_jpg_is_refused(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Testing" / "glioma" / "notes.jpg").write_text("remember to label these\n")
    said = r"^Testing/glioma/notes\.jpg: is text, not an image"
    assert_refused(UnreadableError, kaggle_folder, tmp_path / "out", said)


def test_an_unreadable_file_is_listed_where_it_may_be_skipped(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Testing" / "glioma" / "notes.jpg").write_text("remember to label these\n")
    skip = SMALL.model_copy(update={"skip_unreadable": True})
    manifest = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", skip).manifest
    assert [refused.source for refused in manifest.refused] == ["Testing/glioma/notes.jpg"]
    assert sum(counts.rows for counts in manifest.sides.values()) == 32
    assert_refused(UnreadableError, kaggle_folder, tmp_path / "out", "is text")


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


def test_an_output_that_holds_something_else_is_refused_untouched(kaggle_folder, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("mine")
    assert_refused(DataError, kaggle_folder, tmp_path / "out", r"thesis\.docx")
    assert (tmp_path / "out" / "thesis.docx").read_text() == "mine"


def test_a_source_that_is_not_there_suggests_the_nearest(kaggle_folder, tmp_path) -> None:
    assert_refused(DataError, kaggle_folder, tmp_path / "out", "did you mean 'kaggle_mri'", "kagle_mri")


def test_a_task_that_the_source_has_not_is_refused(kaggle_folder, tmp_path) -> None:
    options = SMALL.model_copy(update={"task": "segmentation"})
    assert_refused(DataError, kaggle_folder, tmp_path / "out", "has no segmentation", options=options)


def test_a_disk_that_fills_up_leaves_the_old_data_set(kaggle_folder, tmp_path, monkeypatch) -> None:
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    before = bytes_of(dataset.folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Staging, "append", full)
    other = SMALL.model_copy(update={"seed": 5})
    assert_refused(DataError, kaggle_folder, tmp_path / "out", "no space left", options=other)
    assert bytes_of(dataset.folder) == before


def test_a_kill_leaves_the_old_data_set_and_the_next_run_cleans_up(kaggle_folder, tmp_path) -> None:
    prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    before = bytes_of(tmp_path / "out")
    other = SMALL.model_copy(update={"seed": 5})
    child = multiprocessing.get_context("spawn").Process(target=_killed, args=(kaggle_folder, tmp_path / "out", other))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert bytes_of(tmp_path / "out") == before
    prepare("kaggle_mri", kaggle_folder, tmp_path / "out", other).verify(hashes=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


def _killed(raw: Path, out: Path, options: PrepareOptions) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        if stage == "write" and done == total:
            os.kill(os.getpid(), signal.SIGKILL)

    prepare_module.prepare("kaggle_mri", raw, out, options, kill)


def test_fractions_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"leave under 0\.2 for training"):
        PrepareOptions(val_fraction=0.45, test_fraction=0.45)


def test_a_limit_keeps_every_class(kaggle_folder, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL.model_copy(update={"limit": 16}))
    totals = [sum(c.rows_by_output[name] for c in dataset.manifest.sides.values()) for name in ("glioma", "pituitary")]
    assert totals == [4, 4]
