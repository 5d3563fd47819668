from __future__ import annotations

import errno
import os

import h5py
import numpy as np
import pytest
from tests.data.sources.brats_slices import (
    HEIGHT,
    PLACE,
    WIDTH,
    found_in,
    one_hot_of,
    only_volume,
    pixels_of,
    write_slice,
)

from glioray.data.records import Clinical
from glioray.data.sources import brats_h5, brats_nifti, load, raw_scans
from glioray.errors import DataError, UnreadableError


def test_it_shows_what_brats_nifti_shows(tmp_path) -> None:
    scans = raw_scans(load("brats_h5"), tmp_path)
    ours, theirs = brats_h5.describe(scans), brats_nifti.describe(raw_scans(brats_nifti, tmp_path))
    assert (ours.channels, ours.labels, ours.regions) == (theirs.channels, theirs.labels, theirs.regions)
    assert brats_h5.default_preprocessing(scans) == brats_nifti.default_preprocessing(raw_scans(brats_nifti, tmp_path))


def test_volumes_are_put_together_in_the_order_of_their_slices(tmp_path) -> None:
    for volume in (10, 9):
        for slice_ in range(11):
            write_slice(tmp_path / PLACE, volume, slice_)
    found = found_in(tmp_path)
    assert [case.patient_id for case in found.cases] == ["volume_9", "volume_10"]
    raw = brats_h5.read(raw_scans(brats_h5, tmp_path), found.cases[0])
    assert raw.image[:, 0, 0, 0].tolist() == [10.0 * slice_ for slice_ in range(11)]
    assert raw.slice_indices == tuple(range(11))
    assert raw.sources[10] == f"{PLACE}/volume_9_slice_10.h5"
    assert found.remarks == found.refused == []


def test_axes_and_labels_become_ours(tmp_path) -> None:
    image = np.zeros((WIDTH, HEIGHT, 4))
    image[5, 2, 1] = 7.0
    write_slice(tmp_path, 1, 0, image, one_hot_of(1, 2, 4))
    raw = only_volume(tmp_path)
    assert (raw.image.shape, raw.mask.shape, raw.mask.dtype) == ((1, 4, HEIGHT, WIDTH), (1, HEIGHT, WIDTH), np.uint8)
    assert raw.image[0, 1, 2, 5] == 7.0
    assert raw.mask[0, 0].tolist() == [1, 2, 4, 0, 0, 0]
    assert raw.spacing_mm == (1.0, 1.0, 1.0)


def test_channels_stand_in_our_order_whatever_that_of_the_files(tmp_path) -> None:
    write_slice(tmp_path, 1, 0)
    assert only_volume(tmp_path).image[0, :, 0, 0].tolist() == [0, 1, 2, 3]
    raw = only_volume(tmp_path, channel_order=["flair", "t1", "t1ce", "t2"])
    assert raw.image[0, :, 0, 0].tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("order", [["t1", "t1", "t2", "flair"], ["t1", "t1ce", "t2"], ["t1", "t1ce", "t2", "ct"]])
def test_a_channel_order_must_name_each_sequence_once(tmp_path, order) -> None:
    with pytest.raises(DataError, match="channel_order"):
        raw_scans(brats_h5, tmp_path, options={"channel_order": order})


def test_a_gap_keeps_the_numbers_of_the_slices_and_is_told(tmp_path) -> None:
    for slice_ in (2, 30, 9):
        write_slice(tmp_path / PLACE, 1, slice_)
    (remark,) = found_in(tmp_path).remarks
    assert only_volume(tmp_path).slice_indices == (2, 9, 30)
    assert remark.source == f"{PLACE}/volume_1"
    assert "3 slices from 2 to 30, 28 below the last are not here: 0, 1, 3, 4, 5 and 23 more" in remark.reason


def test_a_slice_that_the_table_lists_and_is_not_there_refuses_its_volume_alone(tmp_path) -> None:
    for volume, slice_ in ((1, 0), (1, 2), (2, 0)):
        write_slice(tmp_path / PLACE, volume, slice_)
    lines = ["slice_path,target,volume,slice", "a,0,1,0", "b,0,1,1", "c,0,1,2", "d,0,2,0", "e,0,3,0"]
    (tmp_path / PLACE / "meta_data.csv").write_text("\n".join(lines))
    found = found_in(tmp_path)
    assert [case.case_id for case in found.cases] == ["volume_2"]
    assert [refused.source for refused in found.refused] == [f"{PLACE}/volume_1"]
    assert "meta_data.csv lists 3 slices, of which 1 are not here: 1." in found.refused[0].reason
    assert "1 volumes in it are not here, and are not used: 3" in found.remarks[0].reason


def test_a_damaged_table_of_slices_stops_nobody(tmp_path) -> None:
    write_slice(tmp_path, 1, 0)
    (tmp_path / "meta_data.csv").write_text("volume,slice\n1,none\n")
    found = found_in(tmp_path)
    assert len(found.cases) == 1
    assert (found.remarks[0].source, "line 2 has 'none'" in found.remarks[0].reason) == ("meta_data.csv", True)


def test_a_table_of_slices_on_a_bad_disk_stops_the_search(tmp_path, monkeypatch) -> None:
    write_slice(tmp_path, 1, 0)
    (tmp_path / "meta_data.csv").write_text("volume,slice\n1,0\n")

    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("glioray.data.sources._brats_volumes.read_csv", fail)
    with pytest.raises(OSError, match="Input/output error"):
        found_in(tmp_path)


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch) -> None:
    write_slice(tmp_path, 1, 0)

    def refuse(place):
        raise PermissionError(errno.EACCES, "Permission denied", str(place))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        found_in(tmp_path)


def test_a_slice_that_is_there_twice_refuses_its_volume(tmp_path) -> None:
    write_slice(tmp_path / "a", 1, 0)
    write_slice(tmp_path / "b", 1, 0)
    found = found_in(tmp_path)
    assert found.cases == []
    assert "slice 0 is there twice, a/volume_1_slice_0.h5 and b/volume_1_slice_0.h5" in found.refused[0].reason


def test_a_mapping_names_the_patients_and_leads_to_their_survival(tmp_path) -> None:
    for volume in (1, 2):
        write_slice(tmp_path / PLACE, volume, 0)
    (tmp_path / "patients.csv").write_text("volume,BraTS_2020_subject_ID\n1,BraTS20_Training_001\n")
    (tmp_path / "survival_info.csv").write_text("Brats20ID,Age,Survival_days\nBraTS20_Training_001,60,289\n")
    found = found_in(tmp_path, mapping="patients.csv")
    assert [(case.case_id, case.patient_id) for case in found.cases] == [("volume_1", "BraTS20_Training_001")]
    assert found.clinical == {"BraTS20_Training_001": Clinical(age_years=60, survival_days=289)}
    assert "no patient for volume 2 in 'patients.csv'" in found.refused[0].reason


@pytest.mark.parametrize(
    ("mapping", "content", "reason"),
    [
        ("missing.csv", None, "No such file"),
        ("../out.csv", "volume,patient\n1,P\n", "lies outside the folder"),
        ("m.csv", "slice,patient\n1,P\n", "no column 'volume'"),
        ("m.csv", "volume,name\n1,P\n", "no column 'patient'"),
        ("m.csv", "volume,patient\n1,P\n1,Q\n", "line 3 gives volume 1 a second patient"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path, mapping, content, reason) -> None:
    write_slice(tmp_path / "raw", 1, 0)
    if content is not None:
        (tmp_path / "raw" / mapping).write_text(content)
    with pytest.raises(DataError, match=f"option mapping='{mapping}': .*{reason}"):
        found_in(tmp_path / "raw", mapping=mapping)


def test_a_folder_without_slices_says_what_is_wanted(tmp_path) -> None:
    (tmp_path / "volume_1.h5").write_bytes(b"")
    with pytest.raises(DataError, match="no slice of BraTS in it. Wanted: volume_<v>_slice_<s>.h5"):
        found_in(tmp_path)


@pytest.mark.parametrize(
    ("image", "mask", "reason"),
    [
        (np.zeros((WIDTH, HEIGHT, 3)), None, "'image' is (6, 7, 3); wanted (height, width, 4)"),
        (np.zeros((WIDTH, HEIGHT)), None, "'image' is (6, 7); wanted"),
        (np.zeros((0, HEIGHT, 4)), None, "'image' is (0, 7, 4); wanted"),
        (np.zeros((WIDTH, HEIGHT, 4), complex), None, "'image' holds complex128; wanted plain numbers"),
        (np.full((WIDTH, HEIGHT, 4), np.nan), None, "'image' holds values that are not finite"),
        (None, np.zeros((WIDTH, HEIGHT + 1, 3), np.uint8), "'image' is (6, 7, 4), but 'mask' is (6, 8, 3)"),
        (None, np.ones((WIDTH, HEIGHT, 3), np.uint8), "'mask' has two labels in one pixel"),
        (None, np.full((WIDTH, HEIGHT, 3), 4, np.uint8), "'mask' holds other values than 0 and 1"),
        (None, np.full((WIDTH, HEIGHT, 3), "no"), None),
    ],
)
def test_a_slice_that_is_not_as_it_should_be_is_named(tmp_path, image, mask, reason) -> None:
    write_slice(tmp_path, 1, 0)
    strings = mask is not None and mask.dtype.kind == "U"
    write_slice(tmp_path, 1, 1, image, mask.astype(h5py.string_dtype()) if strings else mask)
    with pytest.raises(UnreadableError) as raised:
        only_volume(tmp_path)
    expected = "'mask' holds object; wanted plain numbers" if reason is None else reason
    assert str(raised.value).startswith(f"volume_1_slice_1.h5: {expected}")


@pytest.mark.parametrize("key", ["image", "mask"])
def test_a_slice_without_one_of_its_data_sets_is_named(tmp_path, key) -> None:
    with h5py.File(write_slice(tmp_path, 1, 0), "a") as file:
        del file[key]
    with pytest.raises(UnreadableError, match=f"^volume_1_slice_0.h5: no data set '{key}'; found '"):
        only_volume(tmp_path)


def test_a_truncated_slice_is_named(tmp_path) -> None:
    write_slice(tmp_path, 1, 0)
    path = write_slice(tmp_path, 1, 1)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnreadableError, match="^volume_1_slice_1.h5: not a readable HDF5 file"):
        only_volume(tmp_path)


@pytest.mark.parametrize("image", [np.zeros((WIDTH, HEIGHT + 1, 4)), np.zeros((WIDTH, HEIGHT, 4), np.float32)])
def test_slices_of_a_volume_must_be_alike(tmp_path, image) -> None:
    write_slice(tmp_path, 1, 0)
    write_slice(tmp_path, 1, 1, image, np.zeros((*image.shape[:2], 3), np.uint8))
    with pytest.raises(UnreadableError, match=r"^volume_1_slice_1.h5: .* all slices of a volume must be alike"):
        only_volume(tmp_path)


def test_a_volume_that_is_too_large_is_refused_before_it_is_made(tmp_path, monkeypatch) -> None:
    write_slice(tmp_path, 1, 0)
    monkeypatch.setattr(brats_h5, "MOST_VOXELS", 4 * WIDTH * HEIGHT - 1)
    with pytest.raises(UnreadableError, match="at most 167 voxels"):
        only_volume(tmp_path)


def link_to_a_file(file, other):
    file["image"] = h5py.ExternalLink(other, "image")


def link_inside(file, other):
    file["other"] = pixels_of(0)
    file["image"] = h5py.SoftLink("/other")


def virtual(file, other):
    layout = h5py.VirtualLayout((WIDTH, HEIGHT, 4), np.float64)
    layout[:] = h5py.VirtualSource(other, "image", (WIDTH, HEIGHT, 4))
    file.create_virtual_dataset("image", layout)


def kept_outside(file, other):
    file.create_dataset("image", (WIDTH, HEIGHT, 4), np.float64, external=[(other, 0, h5py.h5f.UNLIMITED)])


def group(file, other):
    file.create_group("image")


def huge_chunk(file, other):
    file.create_dataset(
        "image", (WIDTH, HEIGHT, 4), np.float64, maxshape=(None, None, 4), chunks=(2**13, 2**12, 1), compression="gzip"
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (link_to_a_file, "is a link to another place"),
        (link_inside, "is a link to another place"),
        (virtual, "no data set of this file itself"),
        (kept_outside, "no data set of this file itself"),
        (group, "no data set of this file itself"),
        (huge_chunk, "in chunks of 268,435,456 bytes"),
    ],
)
def test_data_that_lie_elsewhere_or_unpack_to_much_are_refused(tmp_path, make, reason) -> None:
    other = write_slice(tmp_path / "elsewhere", 9, 0)
    with h5py.File(write_slice(tmp_path / "raw", 1, 0), "a") as file:
        del file["image"]
        make(file, str(other))
    with pytest.raises(UnreadableError, match=f"^volume_1_slice_0.h5: 'image' (is )?{reason}"):
        only_volume(tmp_path / "raw")


@pytest.mark.parametrize("kept", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf"}, {"chunks": True}])
def test_packed_data_sets_are_read(tmp_path, kept) -> None:
    write_slice(tmp_path, 1, 0, **kept)
    assert only_volume(tmp_path).image[0, :, 0, 0].tolist() == [0, 1, 2, 3]


def test_big_endian_numbers_are_read(tmp_path) -> None:
    for slice_ in (0, 1):
        write_slice(tmp_path, 1, slice_, pixels_of(slice_).astype(">f8"))
    raw = only_volume(tmp_path)
    assert raw.image.dtype == np.dtype("=f8")
    assert raw.image[1, 3, 0, 0] == 13.0
