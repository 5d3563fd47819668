from __future__ import annotations

import pickle

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from glioray.data.sources import dicom, names, raw_scans
from glioray.errors import DataError, UnreadableError

SHAPE = (4, 10, 8)


def write(root, folder, series=None, pixels=None, study="s", patient="P1", spacing_mm=1.0, positions=None, **tags):
    """A series of axial slices 5 mm apart in ROOT/folder; returns its pixels."""
    series = folder.split("/")[-1] if series is None else series
    if pixels is None:
        pixels = np.random.default_rng(len(series)).integers(1, 999, SHAPE).astype(np.uint16)
    for number, slice_ in enumerate(pixels):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=[study])
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[study, series, folder])
        dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[study, "frame"])
        dataset.PatientID, dataset.PatientName, dataset.Modality = patient, "Doe^Jane", "MR"
        dataset.SeriesDescription, dataset.PhotometricInterpretation = series, "MONOCHROME2"
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *slice_.shape, 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.ImagePositionPatient = [0, 0, 5 * number if positions is None else positions[number]]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [spacing_mm, spacing_mm]
        dataset.PixelData = slice_.tobytes()
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        path = root / folder / f"{9 - number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return pixels


def mask_of(shape=SHAPE):
    mask = np.zeros(shape, np.uint16)
    mask[1:3, 2:5, 3:6] = 255
    return mask


def write_study(root, folder="a", **kwargs):
    """FLAIR, T2 of twice the matrix, and the mask on the grid of the FLAIR."""
    flair = write(root, f"{folder}/FLAIR", **kwargs)
    t2 = flair.repeat(2, axis=1).repeat(2, axis=2)
    write(root, f"{folder}/T2", pixels=t2, spacing_mm=0.5, **kwargs)
    write(root, f"{folder}/ROI", pixels=mask_of(), **kwargs)
    return flair


def searched(root, **options):
    scans = raw_scans(dicom, root, None, options)
    return scans, dicom.find(scans)


def test_it_is_found_by_its_name() -> None:
    assert "dicom" in names()


def test_a_study_becomes_a_case_with_its_mask(tmp_path) -> None:
    flair = write_study(tmp_path)
    scans, found = searched(tmp_path, sequences=["flair"])
    (case,) = found.cases
    volume = dicom.read(scans, pickle.loads(pickle.dumps(case)))
    np.testing.assert_array_equal(volume.image, flair[:, None])
    np.testing.assert_array_equal(volume.mask, mask_of() > 0)
    assert volume.spacing_mm == pytest.approx((5, 1, 1))
    assert volume.sources == ("a/FLAIR/9", "a/FLAIR/8", "a/FLAIR/7", "a/FLAIR/6")
    assert volume.slice_indices == (0, 1, 2, 3)
    assert (case.case_id, case.patient_id, len(case.files)) == ("a", "P1", 8)


def test_by_default_all_sequences_are_channels_on_the_grid_of_the_mask(tmp_path) -> None:
    flair = write_study(tmp_path)
    scans, found = searched(tmp_path)
    contents = dicom.describe(scans)
    assert contents.channels == ("t2", "flair")
    assert contents.labels == {"tumor": 1}
    volume = dicom.read(scans, found.cases[0])
    assert volume.image.shape == (4, 2, 10, 8)
    np.testing.assert_array_equal(volume.image[:, 1], flair)
    # The center of a pixel of the FLAIR is that of the first of the four of the T2 that show the same.
    np.testing.assert_array_equal(volume.image[:, 0], flair)


def test_other_grids_can_be_refused_with_both_named(tmp_path) -> None:
    write_study(tmp_path)
    _, found = searched(tmp_path, resample=False)
    assert found.cases == []
    assert "4 x 20 x 16 voxels of 5 x 0.5 x 0.5 mm" in found.refused[0].reason
    assert "4 x 10 x 8 voxels of 5 x 1 x 1 mm" in found.refused[0].reason


def test_another_frame_of_reference_is_not_resampled(tmp_path) -> None:
    write_study(tmp_path)
    flair = np.ones((4, 20, 16), np.uint16)
    write(tmp_path, "a/T2", pixels=flair, spacing_mm=0.5, FrameOfReferenceUID=generate_uid())
    assert "frame of reference" in searched(tmp_path)[1].refused[0].reason


def test_a_study_without_a_mask_is_refused_and_the_others_stay(tmp_path) -> None:
    write_study(tmp_path, "a")
    write(tmp_path, "b/FLAIR", study="t", patient="P2")
    _, found = searched(tmp_path, sequences=["flair"])
    assert [case.case_id for case in found.cases] == ["a"]
    assert found.refused[0].source == "b/FLAIR"
    assert "no mask of the tumor" in found.refused[0].reason
    assert "-o mask=PATTERN" in found.refused[0].reason


def test_two_studies_of_a_patient_are_two_cases_of_one_patient(tmp_path) -> None:
    write_study(tmp_path, "before", study="s1")
    write_study(tmp_path, "after", study="s2")
    _, found = searched(tmp_path)
    assert [(case.case_id, case.patient_id) for case in found.cases] == [("after", "P1"), ("before", "P1")]


def test_two_studies_in_one_folder_have_names_of_their_own(tmp_path) -> None:
    """Without a PatientID they may be of one patient, who must not come apart in a split."""
    for study in "xy":
        write(tmp_path, f"all/flair {study}", study=study, patient="")
        write(tmp_path, f"all/mask {study}", study=study, patient="", pixels=mask_of())
    scans, found = searched(tmp_path, sequences=["flair"])
    cases = [(case.case_id, case.patient_id) for case in found.cases]
    assert cases == [("all study 1", "all"), ("all study 2", "all")]
    assert dicom.read(scans, found.cases[1]).sources[0] == "all/flair y/9"


def test_without_a_patient_id_all_studies_below_a_topmost_folder_are_of_one_patient(tmp_path) -> None:
    for number, folder in enumerate(["P01/2019", "P01/2021", "P02/2020"]):
        write_study(tmp_path, folder, study=str(number), patient="")
    write_study(tmp_path, "P03/2020", study="named", patient="X")
    _, found = searched(tmp_path)
    assert [case.patient_id for case in found.cases] == ["P01", "P01", "P02", "X"]
    (remark,) = [remark for remark in found.remarks if "PatientID" in remark.reason]
    assert "3 of 4 studies have no PatientID; the topmost folder is taken for the patient: P01, P02." in remark.reason


def test_without_a_patient_id_studies_that_fill_the_root_are_all_of_one_patient(tmp_path) -> None:
    for study in "xy":
        write(tmp_path, f"FLAIR/{study}", series="FLAIR", study=study, patient="")
        write(tmp_path, f"ROI/{study}", series="ROI", study=study, patient="", pixels=mask_of())
    write_study(tmp_path, "P01", study="z", patient="")
    _, found = searched(tmp_path, sequences=["flair"])
    assert [case.patient_id for case in found.cases] == ["unnamed"] * 3
    assert any("3 of 3 studies have no PatientID; they lie in the root" in remark.reason for remark in found.remarks)


def test_studies_with_a_patient_id_need_no_remark_on_it(tmp_path) -> None:
    write_study(tmp_path)
    assert not any("PatientID" in remark.reason for remark in searched(tmp_path)[1].remarks)


def test_a_missing_slice_refuses_its_study_unless_gaps_are_allowed(tmp_path) -> None:
    write_study(tmp_path)
    for folder in ("FLAIR", "ROI"):
        (tmp_path / "a" / folder / "7").unlink()
    _, found = searched(tmp_path, sequences=["flair"])
    assert "1 missing slice" in found.refused[0].reason
    scans, found = searched(tmp_path, sequences=["t2", "flair"], allow_gaps=True)
    # The T2 is whole: of it the slices that the FLAIR has are taken.
    volume = dicom.read(scans, found.cases[0])
    assert volume.image.shape == (3, 2, 10, 8)
    assert volume.slice_indices == (0, 1, 3)
    np.testing.assert_array_equal(volume.image[:, 0], volume.image[:, 1])


def test_stray_series_beside_good_ones_are_only_remarked(tmp_path) -> None:
    write_study(tmp_path)
    write(tmp_path, "a/ct", Modality="CT")
    write(tmp_path, "a/shot", BurnedInAnnotation="YES")
    (tmp_path / "readme.txt").write_text("x")
    _, found = searched(tmp_path)
    reasons = " ".join(remark.reason for remark in found.remarks)
    assert len(found.cases) == 1
    assert found.refused == []
    for word in ("'CT' is computed tomography", "burned into", "1 files: not DICOM"):
        assert word in reasons


def test_a_sequence_that_cannot_be_used_says_why_it_is_missing(tmp_path) -> None:
    write_study(tmp_path)
    write(tmp_path, "a/FLAIR", Modality="CT")
    _, found = searched(tmp_path, sequences=["flair"])
    assert "may be 'flair', and cannot be used: modality 'CT'" in found.refused[0].reason


def test_two_series_of_one_name_are_refused_until_a_pattern_tells_them_apart(tmp_path) -> None:
    write_study(tmp_path)
    write(tmp_path, "a/again", series="FLAIR repeat")
    assert "2 series may be 'flair'" in searched(tmp_path, sequences=["flair"])[1].refused[0].reason
    assert len(searched(tmp_path, sequences={"flair": "FLAIR$"})[1].cases) == 1


def test_two_masks_that_fit_are_refused_until_one_is_named(tmp_path) -> None:
    write_study(tmp_path)
    write(tmp_path, "a/mask by B", pixels=mask_of())
    assert "2 masks fit" in searched(tmp_path)[1].refused[0].reason
    assert len(searched(tmp_path, mask="by B")[1].cases) == 1


def test_a_mask_on_no_channel_is_refused_with_both_grids(tmp_path) -> None:
    write_study(tmp_path)
    _, found = searched(tmp_path, sequences=["t2"])
    assert "marks no voxels of a channel (4 x 10 x 8" in found.refused[0].reason


def test_a_damaged_file_among_the_slices_refuses_the_study(tmp_path) -> None:
    """It may be a slice at the end, which no gap would show."""
    write_study(tmp_path)
    path = tmp_path / "a" / "FLAIR" / "6"
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "a" / "ROI" / "6").unlink()
    _, found = searched(tmp_path, sequences=["flair"])
    assert found.cases == []
    assert "a file among its slices is damaged: a/FLAIR/6" in found.refused[0].reason


def test_a_file_cut_off_in_its_pixels_is_named_when_it_is_read(tmp_path) -> None:
    write_study(tmp_path)
    path = tmp_path / "a" / "FLAIR" / "6"
    path.write_bytes(path.read_bytes()[:-30])
    scans, found = searched(tmp_path, sequences=["flair"])
    with pytest.raises(UnreadableError, match=r"^a/FLAIR/6: its pixels"):
        dicom.read(scans, found.cases[0])


def test_a_case_is_read_again_as_it_was_found_beside_another_echo(tmp_path) -> None:
    """The second echo is under the same UID: a worker that saw the first alone would not know its name."""
    write_study(tmp_path)
    both = {"series": "TSE", "positions": [0, 5, 10, 15]}
    first = write(tmp_path, "a/TSE/1", EchoTime=20, SeriesInstanceUID="1.2.3", **both)
    write(tmp_path, "a/TSE/2", EchoTime=80, SeriesInstanceUID="1.2.3", **both)
    scans, found = searched(tmp_path, sequences={"flair": "flair", "pd": "EchoTime=20"})
    np.testing.assert_array_equal(dicom.read(scans, found.cases[0]).image[:, 1], first)


def test_a_folder_without_dicom_is_refused_with_what_it_holds(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="no DICOM series in it .1 files are not DICOM"):
        searched(tmp_path)


def test_series_of_no_known_name_are_listed(tmp_path) -> None:
    write(tmp_path, "x", series="survey 3")
    with pytest.raises(DataError, match="'survey 3'.*Name sequences by patterns"):
        searched(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sequences": ["flare"]}, "did you mean 'flair'"),
        ({"sequences": {"flair": "("}}, "no regular expression"),
        ({"mask": "["}, "no regular expression"),
        ({"label": []}, "label"),
        ({"sequences": {"a b": "x"}}, "sequences"),
        ({"gaps": True}, "none such"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, words) -> None:
    with pytest.raises(DataError, match=words):
        raw_scans(dicom, tmp_path, None, options)


def test_classification_is_not_offered(tmp_path) -> None:
    with pytest.raises(DataError, match="has no classification"):
        dicom.describe(raw_scans(dicom, tmp_path, "classification"))


def test_no_name_of_a_person_leaves_the_source(tmp_path) -> None:
    write_study(tmp_path)
    scans, found = searched(tmp_path)
    volume = dicom.read(scans, found.cases[0])
    assert "Doe" not in repr((found, volume.sources, dicom.describe(scans)))


def test_the_default_is_each_volume_by_its_own_spread(tmp_path) -> None:
    preprocessing = dicom.default_preprocessing(raw_scans(dicom, tmp_path))
    assert (preprocessing.image_size, preprocessing.intensity, preprocessing.crop_head) == (256, "zscore", False)
