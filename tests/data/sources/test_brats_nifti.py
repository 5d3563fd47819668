from __future__ import annotations

import pickle

import numpy as np
import pytest
from tests.data.sources.brats_cases import (
    AFFINE,
    ENDINGS_SINCE_2023,
    SHAPE,
    found_in,
    mask_of,
    only_volume,
    save,
    write_case,
)

from glioray.data.records import Clinical
from glioray.data.sources import brats_nifti, load, raw_scans
from glioray.errors import DataError, UnreadableError


def test_it_shows_three_labels_on_four_sequences(tmp_path) -> None:
    scans = raw_scans(load("brats_nifti"), tmp_path)
    contents = brats_nifti.describe(scans)
    assert (contents.channels, contents.labels["enhancing"], contents.regions["TC"]) == (
        ("t1", "t1ce", "t2", "flair"),
        4,
        ("necrotic", "enhancing"),
    )
    assert brats_nifti.default_preprocessing(scans).image_size == 240
    with pytest.raises(DataError, match="has no classification"):
        brats_nifti.find(raw_scans(brats_nifti, tmp_path, "classification"))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "place", ["BraTS20_Training_001", "HGG/BraTS20_Training_001", "BraTS2020_TrainingData/MICCAI/BraTS20_Training_001"]
)
def test_a_case_is_found_at_any_depth(tmp_path, place, suffix) -> None:
    write_case(tmp_path / place, "BraTS20_Training_001", suffix=suffix)
    (case,) = found_in(tmp_path).cases
    assert (case.case_id, case.patient_id) == ("BraTS20_Training_001",) * 2
    assert only_volume(tmp_path).sources == (place,) * 5


def test_the_sequences_are_channels_in_our_order_on_the_grid_of_the_file(tmp_path) -> None:
    write_case(tmp_path / "B1", "B1")
    raw = only_volume(tmp_path)
    assert (raw.image.shape, raw.image.dtype) == ((5, 4, 7, 6), np.int16)
    assert raw.image[0, :, 0, 0].tolist() == [0, 1, 2, 3]
    assert raw.mask[2, 0, :4].tolist() == [1, 2, 4, 0]
    assert (raw.slice_indices, raw.spacing_mm) == ((0, 1, 2, 3, 4), (2.0, 1.0, 1.0))


def test_the_names_and_labels_since_2023_become_ours(tmp_path) -> None:
    write_case(tmp_path / "BraTS-GLI-00005-000", "BraTS-GLI-00005-000", ENDINGS_SINCE_2023, "-", labels=(1, 2, 3))
    raw = only_volume(tmp_path)
    assert raw.image[0, :, 0, 0].tolist() == [0, 1, 2, 3]
    assert raw.mask[2, 0, :4].tolist() == [1, 2, 4, 0]


def test_two_scans_of_a_patient_are_one_patient(tmp_path) -> None:
    for scan in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001"):
        write_case(tmp_path / scan, scan, ENDINGS_SINCE_2023, "-", labels=(1, 2, 3))
    cases = found_in(tmp_path).cases
    assert [case.case_id for case in cases] == ["BraTS-GLI-00005-000", "BraTS-GLI-00005-001"]
    assert {case.patient_id for case in cases} == {"BraTS-GLI-00005"}


def test_several_cases_may_lie_in_one_folder(tmp_path) -> None:
    for case_id in ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAG_1"):
        write_case(tmp_path, case_id)
    found = found_in(tmp_path)
    assert [case.case_id for case in found.cases] == ["BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAG_1"]
    assert all(path.name.startswith(case.case_id) for case in found.cases for path in case.files)
    scans = raw_scans(brats_nifti, tmp_path)
    assert brats_nifti.read(scans, found.cases[1]).sources[0] == "BraTS19_CBICA_AAG_1"


def test_files_without_a_case_in_the_name_are_named_for_their_folder(tmp_path) -> None:
    write_case(tmp_path / "pat123", "", separator="")
    assert found_in(tmp_path).cases[0].case_id == "pat123"


def test_a_case_survives_the_way_to_a_worker(tmp_path) -> None:
    write_case(tmp_path / "B1", "B1")
    scans = raw_scans(brats_nifti, tmp_path)
    (case,) = brats_nifti.find(scans).cases
    there_scans, there_case = pickle.loads(pickle.dumps((scans, case)))
    assert np.array_equal(brats_nifti.read(there_scans, there_case).image, brats_nifti.read(scans, case).image)


def test_the_misnamed_mask_of_brats_2020_is_found_and_told(tmp_path) -> None:
    folder = tmp_path / "BraTS20_Training_355"
    write_case(folder, "BraTS20_Training_355", suffix=".nii", without=("seg",))
    save(folder / "W39_1998.09.19_Segm.nii", mask_of(1, 2, 4))
    found = found_in(tmp_path)
    assert [case.case_id for case in found.cases] == ["BraTS20_Training_355"]
    assert [remark.source for remark in found.remarks] == ["BraTS20_Training_355/W39_1998.09.19_Segm.nii"]
    assert only_volume(tmp_path).mask.max() == 4


def test_a_mask_of_another_name_is_not_guessed_among_several_cases(tmp_path) -> None:
    write_case(tmp_path, "B1", without=("seg",))
    write_case(tmp_path, "B2")
    save(tmp_path / "other_Segm.nii", mask_of(1))
    found = found_in(tmp_path)
    assert [case.case_id for case in found.cases] == ["B2"]
    assert sorted(refused.source for refused in found.refused) == ["B1", "other"]


def test_a_missing_sequence_is_named_and_harms_no_other_case(tmp_path) -> None:
    write_case(tmp_path / "HGG" / "B1", "B1", without=("t2", "flair"))
    write_case(tmp_path / "HGG" / "B2", "B2")
    found = found_in(tmp_path)
    assert [case.case_id for case in found.cases] == ["B2"]
    assert [refused.source for refused in found.refused] == ["HGG/B1"]
    assert "missing: t2, flair;" in found.refused[0].reason


def test_a_case_without_a_mask_is_refused_by_name(tmp_path) -> None:
    write_case(tmp_path / "BraTS20_Validation_001", "BraTS20_Validation_001", without=("seg",))
    (refused,) = found_in(tmp_path).refused
    assert refused.source == "BraTS20_Validation_001"
    assert "no mask (seg), as in a validation set" in refused.reason


def test_two_files_for_one_sequence_are_refused(tmp_path) -> None:
    write_case(tmp_path / "B1", "B1")
    save(tmp_path / "B1" / "B1_t1.nii", np.zeros(SHAPE, np.int16))
    assert "two files for t1: 'B1_t1.nii' and 'B1_t1.nii.gz'" in found_in(tmp_path).refused[0].reason


def test_a_case_that_is_there_twice_is_used_once(tmp_path) -> None:
    write_case(tmp_path / "a" / "B1", "B1")
    write_case(tmp_path / "b" / "B1", "B1")
    found = found_in(tmp_path)
    assert (len(found.cases), found.refused[0].source) == (1, "b/B1")
    assert "'a/B1' already" in found.refused[0].reason


def test_other_files_are_one_remark_and_hidden_ones_none(tmp_path) -> None:
    write_case(tmp_path / "B1", "B1")
    for name in ("B1_adc.nii.gz", "B1_dwi.nii.gz", "._B1_t1.nii.gz"):
        (tmp_path / "B1" / name).write_bytes(b"")
    write_case(tmp_path / "__MACOSX" / "B1", "B1")
    found = found_in(tmp_path)
    assert (len(found.cases), len(found.refused)) == (1, 0)
    assert [(remark.source, "1 more" in remark.reason) for remark in found.remarks] == [("B1/B1_adc.nii.gz", True)]


def test_a_folder_without_cases_says_what_is_wanted(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("no scans")
    with pytest.raises(DataError, match=r"no case of BraTS in it\. Wanted: <case>"):
        found_in(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        found_in(tmp_path / "missing")


@pytest.mark.parametrize(
    ("values", "reason"),
    [((1, 3, 4), "holds both 3 and 4"), ((1, 2, 7), "holds 7;"), ((1, 255), "holds 255;")],
)
def test_a_mask_with_other_labels_is_refused(tmp_path, values, reason) -> None:
    write_case(tmp_path / "B1", "B1", labels=values)
    with pytest.raises(UnreadableError, match=f"^B1/B1_seg.nii.gz: the mask {reason}"):
        only_volume(tmp_path)


@pytest.mark.parametrize("value", [257.0, 0.5, -1.0])
def test_a_mask_of_real_numbers_must_hold_labels(tmp_path, value) -> None:
    write_case(tmp_path / "B1", "B1")
    save(tmp_path / "B1" / "B1_seg.nii.gz", np.full(SHAPE, value, np.float32))
    with pytest.raises(UnreadableError, match=f"the mask holds {value}"):
        only_volume(tmp_path)


def test_a_mask_of_real_numbers_is_read_like_one_of_whole_numbers(tmp_path) -> None:
    write_case(tmp_path / "B1", "B1")
    save(tmp_path / "B1" / "B1_seg.nii.gz", mask_of(1, 2, 4).astype(np.float64))
    raw = only_volume(tmp_path)
    assert (raw.mask.dtype, raw.mask[2, 0, :4].tolist()) == (np.uint8, [1, 2, 4, 0])


def test_four_is_no_enhancing_tumor_in_files_named_as_since_2023(tmp_path) -> None:
    write_case(tmp_path / "BraTS-GLI-02062-100", "BraTS-GLI-02062-100", ENDINGS_SINCE_2023, "-", labels=(1, 2, 4))
    with pytest.raises(UnreadableError, match="resection cavity"):
        only_volume(tmp_path)


@pytest.mark.parametrize(
    ("name", "shape", "moved_mm", "reason"),
    [("t2", (6, 7, 4), 0, "6 x 7 x 4 voxels, but"), ("seg", SHAPE, 1, "lie up to 1 mm from those of B1/B1_t1")],
)
def test_a_file_on_another_grid_is_refused(tmp_path, name, shape, moved_mm, reason) -> None:
    write_case(tmp_path / "B1", "B1")
    affine = AFFINE.copy()
    affine[1, 3] = moved_mm
    save(tmp_path / "B1" / f"B1_{name}.nii.gz", np.zeros(shape, np.int16), affine)
    with pytest.raises(UnreadableError, match=f"^B1/B1_{name}.nii.gz: .*{reason}"):
        only_volume(tmp_path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_truncated_sequence_is_named(tmp_path, suffix) -> None:
    write_case(tmp_path / "B1", "B1", suffix=suffix)
    path = save(tmp_path / "B1" / f"B1_t2{suffix}", np.random.default_rng(0).integers(0, 999, SHAPE, np.int16))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableError, match=f"^B1/B1_t2{suffix}: not a readable NIfTI"):
        only_volume(tmp_path)


def test_a_volume_whose_sequences_are_too_much_together_is_refused(tmp_path, monkeypatch) -> None:
    write_case(tmp_path / "B1", "B1")
    monkeypatch.setattr(brats_nifti, "MOST_VOXELS", 4 * 6 * 7 * 5 - 1)
    with pytest.raises(UnreadableError, match="with all sequences; at most 839 are read"):
        only_volume(tmp_path)


def test_the_survival_table_is_read_wherever_it_lies(tmp_path) -> None:
    write_case(tmp_path / "Training" / "B1", "B1")
    lines = ["Brats20ID,Age,Survival_days,Extent_of_Resection", "B1,60.5,ALIVE (361 days later),GTR", "B2,50,100,GTR"]
    (tmp_path / "Training" / "survival_info.csv").write_text("\n".join(lines))
    found = found_in(tmp_path)
    assert found.clinical == {"B1": Clinical(age_years=60.5, alive_days=361, resection="GTR")}
    assert [remark.source for remark in found.remarks] == [
        "Training/survival_info.csv, line 2",
        "Training/survival_info.csv",
    ]
    assert "1 of 2 patients in it have no scans here" in found.remarks[1].reason


def test_a_survival_table_that_is_a_link_out_of_the_folder_is_not_read(tmp_path) -> None:
    write_case(tmp_path / "raw" / "B1", "B1")
    (tmp_path / "secret.csv").write_text("Brats20ID,Age\nB1,60\n")
    (tmp_path / "raw" / "survival_info.csv").symlink_to(tmp_path / "secret.csv")
    found = found_in(tmp_path / "raw")
    assert found.clinical == {}
    assert "leads out of the folder" in found.remarks[0].reason
