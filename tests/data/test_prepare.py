from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.conftest import SIDES, SMALL, VOLUMES, assert_refused, bytes_of, columns_of, with_, zipped

from glioray.data import staging as staging_module
from glioray.data.manifest import Range
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import load_side
from glioray.data.runners import run_here
from glioray.errors import DataError, UnreadableError

pytestmark = pytest.mark.usefixtures("short_page")


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(kaggle_scans, tmp_path) -> None:
    for name, workers in (("one", 1), ("other", 5)):
        prepare("kaggle_mri", kaggle_scans, tmp_path / name, with_(SMALL, workers=workers))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")


def test_the_portions_decide_nothing(lgg_scans, tmp_path, monkeypatch) -> None:
    prepare("lgg", lgg_scans, tmp_path / "one", with_(SMALL))
    monkeypatch.setattr(staging_module, "MOST_CASES", 1)
    prepare("lgg", lgg_scans, tmp_path / "other", with_(SMALL))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")


def test_no_file_names_the_machine(kaggle_scans, tmp_path) -> None:
    prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL)
    files = [path for path in (tmp_path / "out").rglob("*.*") if path.is_file()]
    assert len(files) == 6
    for path in files:
        for place in (tmp_path, kaggle_scans):
            assert str(place).encode() not in path.read_bytes()


def test_every_class_is_on_every_side(kaggle_scans, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL)
    assert sum(counts.rows for counts in dataset.manifest.sides.values()) == 32
    assert all(min(counts.rows_by_output.values()) >= 1 for counts in dataset.manifest.sides.values())


def test_counts_and_normalization_are_those_of_the_shards(lgg_scans, tmp_path) -> None:
    dataset = prepare("lgg", lgg_scans, tmp_path / "out", SMALL)
    for side in SIDES:
        rows, counts = load_side(dataset.folder, dataset.manifest, side), dataset.manifest.sides[side]
        shows = (rows["mask"] == 1).sum(dim=(1, 2))
        assert (counts.rows, counts.patients) == (len(shows), len(dataset.patients(side)))
        assert counts.label_pixels == {"flair_abnormality": int(shows.sum())}
        assert counts.foreground_rows == counts.rows_by_output["flair_abnormality"] == int((shows > 0).sum())
    pixels = load_side(dataset.folder, dataset.manifest, "train")["image"].numpy().astype(np.float64)
    assert dataset.manifest.normalization.mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), abs=1e-3)
    assert dataset.manifest.normalization.std == pytest.approx(pixels.std(axis=(0, 2, 3)), abs=1e-3)


def test_preparing_again_does_nothing(kaggle_scans, tmp_path) -> None:
    prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL)
    inode = (tmp_path / "out").stat().st_ino
    stages = []
    prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL, lambda stage, done, total: stages.append(stage))
    assert (tmp_path / "out").stat().st_ino == inode
    assert "already prepared" in stages
    assert "read" not in stages
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"image_size": 48}, {"split": "published"}, {"limit": 20}, {"folds": 3}]
)
def test_other_settings_prepare_anew(kaggle_scans, tmp_path, change) -> None:
    first = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL)
    second = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", with_(SMALL, **change))
    assert first.manifest.fingerprint != second.manifest.fingerprint
    second.verify(hashes=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_another_pixel_prepares_anew(kaggle_folder, tmp_path, draw_head) -> None:
    first = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    Image.fromarray(draw_head(999)).save(kaggle_folder / "Training" / "glioma" / "Training_0.jpg")
    second = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    assert first.manifest.settings.source_hash != second.manifest.settings.source_hash


def test_the_source_hash_is_of_names_and_contents(kaggle_folder, tmp_path) -> None:
    first = prepare("kaggle_mri", kaggle_folder, tmp_path / "one", SMALL).manifest.settings.source_hash
    moved = shutil.move(kaggle_folder, tmp_path / "elsewhere")
    assert prepare("kaggle_mri", moved, tmp_path / "two", SMALL).manifest.settings.source_hash == first
    path = moved / "Training" / "glioma" / "Training_0.jpg"
    path.rename(path.with_name("Training_00.jpg"))
    assert prepare("kaggle_mri", moved, tmp_path / "three", SMALL).manifest.settings.source_hash != first


@pytest.fixture
def pictures(kaggle_scans, tmp_path):
    """A class a folder, and a table that names a patient for every two of the 32 pictures."""
    root = shutil.copytree(kaggle_scans / "Training", tmp_path / "pictures")
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    lines = [f"{name},P{number // 2:02}" for number, name in enumerate(names)]
    (root / "patients.csv").write_text("\n".join(["file,patient", *lines]))
    return root


def test_a_corrected_table_of_patients_prepares_anew(pictures, tmp_path) -> None:
    options = with_(SMALL, source_options={"patients": "patients.csv"})
    first = prepare("image_folder", pictures, tmp_path / "out", options)
    assert prepare("image_folder", pictures, tmp_path / "out", options).manifest == first.manifest
    table = pictures / "patients.csv"
    table.write_text(table.read_text().replace("Training_2.jpg,P01", "Training_2.jpg,P00"))
    second = prepare("image_folder", pictures, tmp_path / "out", options)
    assert first.manifest.settings.source_hash != second.manifest.settings.source_hash
    patients = dict(zip(*columns_of(second, "source", "patient_id"), strict=True))
    assert [patients[f"glioma/Training_{number}.jpg"] for number in range(4)] == ["P00", "P00", "P00", "P01"]


def test_the_folder_may_be_named_from_where_one_stands(kaggle_scans, tmp_path, monkeypatch) -> None:
    """A runner elsewhere gets whole paths."""
    seen = []

    def runner(work, items, on_done):
        seen.extend(path for item in items for case in getattr(item, "cases", ()) for path in case.files)
        seen.append(work.folder)
        run_here(1)(work, items, on_done)

    monkeypatch.chdir(kaggle_scans.parent)
    prepare("kaggle_mri", Path("raw"), Path(os.path.relpath(tmp_path / "out")), SMALL, runner=runner)
    assert len(seen) == 34
    assert all(path.is_absolute() for path in seen)


def test_a_lost_shard_prepares_anew(kaggle_scans, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL)
    (dataset.folder / "split=val" / "part-00000.parquet").unlink()
    prepare("kaggle_mri", kaggle_scans, tmp_path / "out", SMALL).verify(hashes=True)


def test_volumes_keep_their_masks_and_order(lgg_scans, tmp_path) -> None:
    dataset = prepare("lgg", lgg_scans / "kaggle_3m", tmp_path / "out", PrepareOptions(image_size=32))
    test = load_side(dataset.folder, dataset.manifest, "test")
    assert test["image"].shape == (11, 3, 32, 32)
    assert [int(mask.sum()) for mask in test["mask"]] == [0] * 9 + [64, 0]


def test_what_is_known_of_a_slice_stands_in_its_row(volume_folder, tmp_path) -> None:
    dataset = prepare("phantom", volume_folder, tmp_path / "out", VOLUMES)
    patients, slices, pixels, heights = columns_of(dataset, "patient_id", "slice_index", "label_pixels", "raw_height")
    found = {(patient, z): values.tolist() for patient, z, values in zip(patients, slices, pixels, strict=True)}
    assert len(found) == 24
    assert found["PHANTOM_0002", 2] == [64, 0, 0]
    assert [found["PHANTOM_0001", z][2] for z in range(6)] == [0, 0, 0, 0, 64, 64]
    assert set(heights) == {40}
    spacing = columns_of(dataset, "spacing_slice_mm", "spacing_row_mm", "spacing_column_mm")
    assert [set(values) for values in spacing] == [{5.0}, {3.75}, {2.5}]
    (intensity,) = columns_of(dataset, "intensity")
    assert {values.shape for values in intensity} == {(4, 2)}
    assert all((values[:, 1] > 0).all() for values in intensity)


def test_facts_are_those_of_the_raw_scans(volume_folder, tmp_path) -> None:
    """A label of 10 x 10 px of 3 x 2 mm, 5 mm apart, is 3 ml a slice."""
    facts = prepare("phantom", volume_folder, tmp_path / "out", VOLUMES).manifest.facts
    assert facts.cases == 4
    assert (facts.height_px, facts.width_px, facts.slices) == (Range.of([40]), Range.of([32]), Range.of([6]))
    assert facts.spacing_mm == {"slice": Range.of([5]), "row": Range.of([3]), "column": Range.of([2])}
    assert facts.volumes_ml["necrotic"] == Range.of([3])
    assert facts.volumes_ml["ET"] == Range.of([3, 6, 6, 6])
    assert facts.volumes_ml["WT"] == Range.of([9, 12, 12, 12])
    assert facts.foreground_share == pytest.approx(15 / 24, abs=1e-6)
    assert facts.shares == pytest.approx({"necrotic": 4 / 15, "edema": 4 / 15, "enhancing": 7 / 15}, abs=1e-6)


def test_empty_slices_are_left_out_of_training_only(lgg_scans, tmp_path) -> None:
    """Each patient has 10 empty slices of 11."""
    for share, rows in ((0.0, 22), (0.4, 14), (1.0, 2)):
        dataset = prepare("lgg", lgg_scans, tmp_path / "out", with_(SMALL, drop_empty=share))
        dataset.verify(hashes=True)
        sides = dataset.manifest.sides
        assert (sides["train"].rows, sides["train"].foreground_rows) == (rows, 2)
        assert (sides["val"].rows, sides["test"].rows) == (11, 11)
        shown = load_side(dataset.folder, dataset.manifest, "train")["mask"].amax(dim=(1, 2))
        assert (len(shown), int(shown.sum())) == (rows, 2)


def test_images_of_classes_have_no_empty_slices_to_leave_out(kaggle_scans, tmp_path) -> None:
    said = "drop_empty 0.5 leaves out slices that show no label, but these are images of classes"
    assert_refused(DataError, kaggle_scans, tmp_path / "out", said, options=with_(SMALL, drop_empty=0.5))


def test_training_is_never_left_without_a_slice(lgg_folder, tmp_path) -> None:
    for path in lgg_folder.rglob("*_mask.tif"):
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    said = r"drop_empty 1\.0 leaves nothing to train on"
    assert_refused(DataError, lgg_folder, tmp_path / "out", said, "lgg", with_(SMALL, drop_empty=1.0))


def test_a_link_that_leads_out_of_the_folder_is_refused_by_name(kaggle_folder, tmp_path, draw_head) -> None:
    Image.fromarray(draw_head(77)).save(tmp_path / "private.png")
    (kaggle_folder / "Training" / "glioma" / "link.png").symlink_to(tmp_path / "private.png")
    said = r"^Training/glioma/link\.png is a link that leads out of the folder"
    assert_refused(UnreadableError, kaggle_folder, tmp_path / "out", said)
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", with_(SMALL, skip_unreadable=True))
    assert [refused.source for refused in dataset.manifest.refused] == ["Training/glioma/link.png"]
    assert "Training/glioma/link.png" not in columns_of(dataset, "source")[0]


def test_a_file_that_cannot_be_opened_is_one_case_that_is_refused_by_name(kaggle_folder, tmp_path) -> None:
    (kaggle_folder / "Training" / "glioma" / "Training_7.jpg").symlink_to("gone.jpg")
    said = r"^Training/glioma/Training_7\.jpg: cannot be opened \(No such file or directory\)\..*--skip-unreadable"
    assert_refused(UnreadableError, kaggle_folder, tmp_path / "out", said)
    assert not (tmp_path / ".out.partial").exists()
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", with_(SMALL, skip_unreadable=True))
    assert [refused.source for refused in dataset.manifest.refused] == ["Training/glioma/Training_7.jpg"]
    assert dataset.manifest.facts.cases == 32


def test_a_link_within_the_folder_is_a_file_like_any_other(kaggle_folder, tmp_path) -> None:
    folder = kaggle_folder / "Training" / "glioma"
    (folder / "link.jpg").symlink_to(folder / "Training_0.jpg")
    dataset = prepare("kaggle_mri", kaggle_folder, tmp_path / "out", SMALL)
    assert dataset.manifest.duplicates.images_with_a_copy == 2


@pytest.mark.parametrize("wrap", ["", "archive/brain-tumor/"])
def test_a_zip_prepares_to_the_bytes_of_its_folder(kaggle_scans, tmp_path, wrap) -> None:
    whole = prepare("kaggle_mri", kaggle_scans, tmp_path / "one", SMALL)
    archive = zipped(kaggle_scans, tmp_path / "raw.zip", wrap)
    unpacked = prepare("kaggle_mri", archive, tmp_path / "other", SMALL)
    assert unpacked.manifest.settings.source_hash == whole.manifest.settings.source_hash
    assert bytes_of(tmp_path / "other") == bytes_of(tmp_path / "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "raw.zip"]


def test_a_zip_of_a_lone_folder_that_belongs_to_the_layout_is_not_unwrapped_too_far(lgg_scans, tmp_path) -> None:
    archive = zipped(lgg_scans, tmp_path / "raw.zip")
    one = prepare("lgg", lgg_scans, tmp_path / "one", SMALL)
    other = prepare("lgg", archive, tmp_path / "other", SMALL)
    assert one.manifest.settings.source_hash == other.manifest.settings.source_hash


def test_a_zip_that_writes_outside_is_refused_by_name(kaggle_scans, tmp_path) -> None:
    archive = zipped(kaggle_scans, tmp_path / "raw.zip")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("../planted.txt", "x")
    assert_refused(DataError, archive, tmp_path / "out", r"\.\./planted\.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["raw.zip"]


def test_a_limit_keeps_every_class(kaggle_scans, tmp_path) -> None:
    dataset = prepare("kaggle_mri", kaggle_scans, tmp_path / "out", with_(SMALL, limit=16))
    totals = [sum(c.rows_by_output[name] for c in dataset.manifest.sides.values()) for name in ("glioma", "pituitary")]
    assert totals == [4, 4]
    assert dataset.manifest.facts.cases == 16
