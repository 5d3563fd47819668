from __future__ import annotations

from dataclasses import replace

import pytest

from glioray.data.download.checking import check, locate
from glioray.data.download.datasets import Part, dataset

TINY = replace(
    dataset("brats2020"),
    parts=(Part("slices", "volume_*_slice_*.h5", 6, r"volume_(\d+)_slice_\d+\.h5$", "volumes", 3, 2),),
)


@pytest.fixture
def place(tmp_path):
    """Three volumes of two slices."""
    for volume in (1, 2, 3):
        for number in (0, 1):
            (tmp_path / f"volume_{volume}_slice_{number}.h5").write_bytes(b"12345")
    return tmp_path


def test_a_whole_data_set_misses_nothing(place) -> None:
    found = check(place, TINY)
    assert (found.files, found.bytes, found.missing, found.extra) == (6, 30, (), ())


def test_missing_slices_and_volumes_are_named(place) -> None:
    (place / "volume_1_slice_1.h5").unlink()
    for number in (0, 1):
        (place / f"volume_2_slice_{number}.h5").unlink()
    assert check(place, TINY).missing == (
        "slices: 3 of 6 are there",
        "volumes: 2 of 3 are there, not 2",
        "volumes with fewer than 2 slices: 1 (1)",
    )


def test_an_empty_file_is_missing(place) -> None:
    (place / "volume_3_slice_0.h5").write_bytes(b"")
    assert check(place, TINY).missing == ("slices: 1 files are empty: volume_3_slice_0.h5",)


def test_more_files_than_were_published_are_told_and_stop_nobody(place) -> None:
    (place / "volume_3_slice_2.h5").write_bytes(b"1")
    found = check(place, TINY)
    assert found.missing == ()
    assert found.extra == ("slices: 7 are there, 6 were published",)


def test_masks_are_not_counted_as_slices(tmp_path) -> None:
    (tmp_path / "TCGA_1").mkdir()
    for name in ("TCGA_1_7.tif", "TCGA_1_8.tif", "TCGA_1_7_mask.tif"):
        (tmp_path / "TCGA_1" / name).write_bytes(b"1")
    assert check(tmp_path, dataset("lgg")).missing == (
        "slices: 2 of 3,929 are there",
        "patients: 1 of 110 are there",
        "masks: 1 of 3,929 are there",
    )


def test_the_folder_of_a_data_set_is_found_in_its_wrappers_nearest_first(tmp_path) -> None:
    for name in ("lgg-mri-segmentation/kaggle_3m/TCGA_1", "kaggle_3m/TCGA_1", ".unpacking/TCGA_1"):
        (tmp_path / name).mkdir(parents=True)
    assert locate(tmp_path, dataset("lgg")) == tmp_path / "kaggle_3m"
    assert locate(tmp_path / "kaggle_3m", dataset("lgg")) == tmp_path / "kaggle_3m"
    assert locate(tmp_path, dataset("brats2020")) is None
    assert locate(tmp_path / "nowhere", dataset("lgg")) is None


def test_a_folder_with_one_of_two_marks_is_not_it(tmp_path) -> None:
    (tmp_path / "Training").mkdir()
    assert locate(tmp_path, dataset("kaggle_mri")) is None
