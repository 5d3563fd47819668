"""Uploaded zips of NIfTI and of DICOM series to volumes, and what is refused of them."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from tests.serving.sent import CHANNELS, LIMITS, few, sent, slices

from glioray.errors import DataError, UnreadableError
from glioray.serving.volume_reading import read_volume


def test_a_zip_of_niftis_is_read_by_the_last_word_of_their_names_without_the_mask(head_of, nifti_of, zip_of):
    head = head_of()
    names = {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}
    members = {f"case/BraTS-GLI-00001-000-{word}.nii.gz": gzip.compress(nifti_of(head[n])) for word, n in names.items()}
    members["case/BraTS-GLI-00001-000-seg.nii.gz"] = gzip.compress(nifti_of(head["t1"]))
    members["__MACOSX/case/._BraTS-GLI-00001-000-t1n.nii.gz"] = b"resource fork"

    read = read_volume(sent(zip_of(members)), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, slices(head))


def test_a_sequence_of_two_words_is_known_in_a_file_name(head_of, nifti_of, zip_of):
    head = head_of()
    names = {"pre_contrast": "t1", "flair": "flair", "post_contrast": "t1ce"}
    members = {f"TCGA_CS_4941_{word}.nii": nifti_of(head[own]) for word, own in names.items()}

    read = read_volume(sent(zip_of(members)), tuple(names), LIMITS)

    np.testing.assert_array_equal(read.image, np.stack([head[own].T for own in names.values()], axis=1))


def test_a_zip_of_dicom_series_is_read_by_their_descriptions_in_the_order_of_the_slices(head_of, series_of, zip_of):
    head = head_of()
    pixels = {name: voxels.T.astype(np.uint16) for name, voxels in head.items()}
    titles = {"AX T2 FLAIR": "flair", "AX T1": "t1", "AX T1 POST GD": "t1ce", "AX T2": "t2"}
    members = {k: v for title, name in titles.items() for k, v in series_of(pixels[name], title).items()}

    read = read_volume(sent(zip_of(members)), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, slices(head))
    assert read.spacing_mm == pytest.approx((5.0, 0.9, 0.8))
    # Of a thickness of 1 mm and slices 5 mm apart, the distance counts.
    assert read.place.voxel_ml == pytest.approx(5.0 * 0.9 * 0.8 / 1000)
    # The first voxel: DICOM's left and back are minus NIfTI's right and front.
    np.testing.assert_allclose(read.place.affine @ [0, 0, 0, 1], [30.0, 20.0, 10.0, 1.0])
    np.testing.assert_allclose(read.place.affine @ [1, 0, 0, 1], [29.2, 20.0, 10.0, 1.0])
    np.testing.assert_allclose(read.place.affine @ [0, 0, 2, 1], [30.0, 20.0, 20.0, 1.0])


def test_a_lone_series_is_taken_for_a_model_of_one_channel_whatever_it_is_called(head_of, series_of, zip_of):
    pixels = head_of()["t1"].T.astype(np.uint16)

    read = read_volume(sent(zip_of(series_of(pixels, "without a word"))), ("grey",), LIMITS)

    np.testing.assert_array_equal(read.image[:, 0], pixels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.pop("T1/IM02"), "1 missing slice"),
        (lambda files: files.update({"T1/IM03": files["T1/IM03"][:200]}), "among its slices is damaged"),
        (lambda files: files.clear(), "no DICOM series is in it .1 files are not DICOM"),
    ],
)
def test_dicom_that_lacks_a_slice_is_refused(head_of, series_of, zip_of, change, words):
    files = series_of(head_of()["t1"].T.astype(np.uint16), "T1")
    change(files)

    with pytest.raises(DataError, match=words):
        read_volume(sent(zip_of({**files, "notes.txt": b"text"})), ("t1",), LIMITS)


def test_a_zip_bomb_is_refused_by_what_it_would_become(zip_of):
    with pytest.raises(DataError, match="at most 1,000,000 are unpacked"):
        read_volume(sent(zip_of({"a/t1.nii": bytes(2_000_000)})), CHANNELS, few(unpacked_bytes=1_000_000))


def test_a_member_larger_than_it_says_is_refused(zip_of, head_of, nifti_of):
    content = zip_of({"t1.nii": nifti_of(head_of()["t1"])})
    size = len(nifti_of(head_of()["t1"]))
    lying = content.replace(struct.pack("<I", size), struct.pack("<I", size - 1000))

    with pytest.raises(UnreadableError, match="damaged|says"):
        read_volume(sent(lying), ("t1",), LIMITS)


def test_members_that_lead_out_of_the_folder_are_refused(zip_of):
    for name in ("../t1.nii", "/etc/t1.nii", "a/../../t1.nii", "C:\\t1.nii"):
        with pytest.raises(DataError, match="leads out|absolute|backslash"):
            read_volume(sent(zip_of({name: b"x"})), CHANNELS, LIMITS)


def test_too_many_members_are_refused_before_their_names_are_read(zip_of):
    content = zip_of({f"{number:0400}": b"" for number in range(40)})

    with pytest.raises(DataError, match="its directory has"):
        read_volume(sent(content), CHANNELS, few(members=8))


def test_a_truncated_zip_is_refused(zip_of, head_of, nifti_of):
    content = zip_of({"t1.nii": nifti_of(head_of()["t1"])})

    for length in (4, 30, len(content) // 2, len(content) - 1):
        with pytest.raises(UnreadableError, match="not a whole zip"):
            read_volume(sent(content[:length]), ("t1",), LIMITS)
