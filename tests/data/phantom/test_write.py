"""The folder that the phantom leaves on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.errors import DataError

SETTINGS = PhantomSettings(num_patients=5, image_size=48, num_slices=20, slices_per_patient=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "raw"
    write_phantom(folder, SETTINGS)
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_settings_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path / "again", SETTINGS)

    assert digests(tmp_path / "again") == digests(folder)


def test_another_seed_gives_other_patients(folder: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path / "other", SETTINGS.model_copy(update={"seed": 1}))

    assert not set(digests(tmp_path / "other").values()) & set(digests(folder).values())


def test_summary_counts_what_lies_in_the_folder(folder: Path) -> None:
    summary = write_phantom(folder, SETTINGS)

    assert summary.patients == {"glioma": 2, "meningioma": 1, "notumor": 1, "pituitary": 1}
    assert summary.images == len(list(folder.glob("slices/*/*.png"))) == 10
    assert summary.volumes == len(list((folder / "volumes").iterdir())) == 2


def test_record_says_synthetic_and_gives_the_volume_of_every_label(folder: Path) -> None:
    record = json.loads((folder / "PHANTOM.json").read_text())

    labels = nibabel.load(folder / "volumes/PHANTOM_0001/PHANTOM_0001_seg.nii.gz")
    voxel_ml = abs(np.linalg.det(labels.affine)) / 1000
    counted = {str(v): np.sum(np.asarray(labels.dataobj) == v) * voxel_ml for v in (1, 2, 4)}
    assert record["synthetic"] is True
    assert record["settings"] == SETTINGS.model_dump()
    assert record["patients"][0]["tumor_volume_ml"] == pytest.approx(counted, abs=1e-3)
    assert record["patients"][2] == {"id": "PHANTOM_0003", "kind": "notumor", "tumor_volume_ml": {}}


def test_background_of_every_volume_is_exactly_zero_and_the_same(folder: Path) -> None:
    paths = sorted((folder / "volumes/PHANTOM_0001").glob("*.nii.gz"))
    volumes = {p.name.split("_")[2]: np.asarray(nibabel.load(p).dataobj) for p in paths}
    labels = volumes.pop("seg.nii.gz")

    brains = [volume > 0 for volume in volumes.values()]
    assert len(brains) == 4
    assert all(np.array_equal(brain, brains[0]) for brain in brains)
    assert min(volume.min() for volume in volumes.values()) == 0
    assert not brains[0][[0, -1]].any()
    assert not labels[~brains[0]].any()


def test_volumes_are_int16_with_labels_of_brats(folder: Path) -> None:
    image = nibabel.load(folder / "volumes/PHANTOM_0005/PHANTOM_0005_flair.nii.gz")
    labels = nibabel.load(folder / "volumes/PHANTOM_0005/PHANTOM_0005_seg.nii.gz")

    assert image.get_data_dtype() == np.int16
    assert labels.get_data_dtype() == np.uint8
    assert set(np.unique(labels.dataobj)) == {0, 1, 2, 4}


def test_affine_agrees_with_voxel_sizes_and_is_ras(folder: Path) -> None:
    image = nibabel.load(folder / "volumes/PHANTOM_0001/PHANTOM_0001_t1.nii.gz")

    assert image.shape == (48, 48, 20)
    assert image.header.get_zooms() == pytest.approx((5.0, 5.0, 8.0))
    assert np.diag(image.affine)[:3] == pytest.approx((5.0, 5.0, 8.0))
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert image.header.get_xyzt_units()[0] == "mm"


def test_slices_are_grey_pngs_under_their_kind(folder: Path) -> None:
    paths = sorted(folder.glob("slices/*/*.png"))

    assert {path.parent.name for path in paths} == {"glioma", "meningioma", "notumor", "pituitary"}
    assert all(Image.open(path).mode == "L" and Image.open(path).height == 48 for path in paths)
    assert all(np.asarray(Image.open(path)).max() > 200 for path in paths)


def test_a_second_call_does_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    told: list[int] = []

    write_phantom(folder, SETTINGS, on_patient=lambda done, _: told.append(done))

    assert told == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    write_phantom(tmp_path / "empty", SETTINGS.model_copy(update={"num_patients": 4}))

    assert (tmp_path / "empty/PHANTOM.json").exists()


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(DataError, match=r"not a phantom.*Choose an empty folder"):
        write_phantom(tmp_path, SETTINGS)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_phantom_of_other_settings_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"seed=7.*holds a phantom of .*seed=0"):
        write_phantom(folder, SETTINGS.model_copy(update={"seed": 7}))


def test_nothing_is_left_behind_when_writing_is_cut_off(tmp_path: Path) -> None:
    def cut_off(done: int, of: int) -> None:
        assert (done, of) == (1, 5)
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left on device"):
        write_phantom(tmp_path / "raw", SETTINGS, on_patient=cut_off)

    assert list(tmp_path.iterdir()) == []
