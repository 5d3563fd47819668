from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pytest

from glioray.data.nifti_file import open_nifti, read_nifti
from glioray.errors import UnreadableError

VOXELS = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
RIGHT_FRONT_UP = np.diag([1.0, 2.0, 3.0, 1.0])


def saved(path, voxels, affine=RIGHT_FRONT_UP, kind=nibabel.Nifti1Image):
    nibabel.save(kind(voxels, affine), path)
    return path


def with_header(path, **values):
    """Overwrites fields of a saved header, unlike nibabel without asking whether they make sense."""
    content = bytearray(path.read_bytes())
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    for field, value in values.items():
        header[field] = value
    path.write_bytes(bytes(header.structarr.tobytes()) + bytes(content[348:]))
    return path


def test_rows_run_from_front_to_back_and_columns_from_right_to_left(tmp_path) -> None:
    slices, spacing_mm = read_nifti(saved(tmp_path / "v.nii.gz", VOXELS), "v")
    assert slices.shape == (4, 3, 2)
    assert slices[0, 0, 0] == VOXELS[1, 2, 0]
    assert spacing_mm == (3.0, 2.0, 1.0)


def test_the_axes_of_the_file_do_not_matter(tmp_path) -> None:
    straight, _ = read_nifti(saved(tmp_path / "a.nii.gz", VOXELS), "a")
    left_back_up = np.diag([-1.0, -2.0, 3.0, 1.0])
    turned, _ = read_nifti(saved(tmp_path / "b.nii.gz", VOXELS[::-1, ::-1], left_back_up), "b")
    assert np.array_equal(straight, turned)


def test_axes_in_another_order_are_put_in_ours(tmp_path) -> None:
    straight = open_nifti(saved(tmp_path / "a.nii", VOXELS), "a")
    up_right_front = np.array([[0, 1, 0, 0], [0, 0, 2, 0], [3, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
    turned = open_nifti(saved(tmp_path / "b.nii", VOXELS.transpose(2, 0, 1), up_right_front), "b")
    assert np.array_equal(straight.read(), turned.read())
    assert turned.spacing_mm == straight.spacing_mm == (3.0, 2.0, 1.0)
    assert turned.slices_shape == straight.slices_shape == (4, 3, 2)


def test_channels_come_last(tmp_path) -> None:
    four = np.stack([VOXELS, VOXELS + 100], axis=3)
    volume = open_nifti(saved(tmp_path / "v.nii.gz", four), "v", num_axes=4)
    assert volume.read().shape == volume.slices_shape == (4, 3, 2, 2)
    assert np.array_equal(volume.read()[..., 1], read_nifti(saved(tmp_path / "w.nii", VOXELS + 100), "w")[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_the_type_of_the_file_is_kept(tmp_path, dtype) -> None:
    volume = open_nifti(saved(tmp_path / "v.nii.gz", VOXELS.astype(dtype)), "v")
    assert volume.read().dtype == volume.dtype == dtype


def test_the_byte_order_of_the_file_does_not_matter(tmp_path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nibabel.save(nibabel.Nifti1Image(VOXELS, RIGHT_FRONT_UP, header), tmp_path / "big.nii")
    volume = open_nifti(tmp_path / "big.nii", "big")
    assert volume.header.endianness == ">"
    assert volume.read().dtype == volume.dtype == np.dtype("=i2")
    assert volume.read()[0, 0, 0] == VOXELS[1, 2, 0]


def test_a_slope_is_applied(tmp_path) -> None:
    path = with_header(saved(tmp_path / "v.nii", VOXELS), scl_slope=0.5, scl_inter=-1)
    volume = open_nifti(path, "v")
    assert volume.read().dtype == volume.dtype == np.float32
    assert volume.read()[0, 0, 0] == VOXELS[1, 2, 0] * 0.5 - 1


def test_the_ending_of_the_name_does_not_matter(tmp_path) -> None:
    packed = tmp_path / "packed.nii"
    packed.write_bytes(gzip.compress(saved(tmp_path / "v.nii", VOXELS).read_bytes()))
    assert np.array_equal(read_nifti(packed, "v")[0], read_nifti(tmp_path / "v.nii", "v")[0])


def test_a_file_packed_in_pieces_is_read_whole(tmp_path) -> None:
    content = saved(tmp_path / "v.nii", VOXELS).read_bytes()
    (tmp_path / "p.nii.gz").write_bytes(gzip.compress(content[:360]) + gzip.compress(content[360:]))
    assert np.array_equal(read_nifti(tmp_path / "p.nii.gz", "p")[0], read_nifti(tmp_path / "v.nii", "v")[0])


@pytest.mark.parametrize("content", [b"", b"text that is no volume", bytes(400), b"\x1f\x8b\x08 no gzip"])
def test_what_is_no_volume_is_one_line(tmp_path, content) -> None:
    (tmp_path / "v.nii").write_bytes(content)
    with pytest.raises(UnreadableError, match="not a readable NIfTI") as raised:
        read_nifti(tmp_path / "v.nii", "patient/v.nii")
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("patient/v.nii: ")


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_truncated_volume_is_refused(tmp_path, ending) -> None:
    path = saved(tmp_path / f"v.{ending}", np.random.default_rng(0).normal(size=(20, 20, 20)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UnreadableError, match=r"p/v: not a readable NIfTI volume \(it ends after .* truncated"):
        read_nifti(path, "p/v")


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_what_a_small_file_says_that_it_has_takes_no_memory(tmp_path, little_room, ending) -> None:
    path = with_header(saved(tmp_path / "v.nii", VOXELS), dim=[3, 512, 512, 512, 1, 1, 1, 1], datatype=64, bitpix=64)
    content = path.read_bytes()
    (tmp_path / f"says.{ending}").write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    with pytest.raises(UnreadableError, match="it ends after .* truncated"):
        read_nifti(tmp_path / f"says.{ending}", "v")


def test_a_packed_volume_with_a_wrong_checksum_is_refused(tmp_path) -> None:
    path = saved(tmp_path / "v.nii.gz", VOXELS)
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableError, match="not a readable NIfTI"):
        read_nifti(path, "v")


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_header_that_claims_too_much_is_refused_before_its_voxels(tmp_path, ending) -> None:
    path = saved(tmp_path / "v.nii", VOXELS, kind=nibabel.Nifti2Image)
    content = bytearray(path.read_bytes())
    content[16:48] = struct.pack("<4q", 3, 100_000, 100_000, 100_000)
    (tmp_path / f"huge.{ending}").write_bytes(gzip.compress(content) if ending.endswith("gz") else bytes(content))
    with pytest.raises(UnreadableError, match=r"claims 100000 x 100000 x 100000 voxels"):
        open_nifti(tmp_path / f"huge.{ending}", "huge")


def test_channels_count_towards_the_most_voxels(tmp_path) -> None:
    path = with_header(saved(tmp_path / "v.nii", VOXELS), dim=[4, 240, 240, 155, 100, 1, 1, 1])
    with pytest.raises(UnreadableError, match="240 x 240 x 155 x 100 voxels"):
        open_nifti(path, "v", num_axes=4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"dim": [3, 2, 0, 4, 1, 1, 1, 1]}, "3 axes"),
        ({"dim": [3, 2, -3, 4, 1, 1, 1, 1]}, "3 axes"),
        ({"vox_offset": 1e9}, "begin at byte"),
        ({"datatype": 32, "bitpix": 64}, "complex64"),
        ({"srow_x": [0, 0, 0, 0]}, "no usable place"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "no usable place"),
        ({"pixdim": [1, 1, 2, 5, 1, 1, 1, 1]}, "two spacings"),
        ({"magic": b"ni1"}, r"second file, \.img"),
    ],
)
def test_a_header_that_is_no_volume_of_a_head_is_refused(tmp_path, values, reason) -> None:
    with pytest.raises(UnreadableError, match=f"v: .*{reason}"):
        open_nifti(with_header(saved(tmp_path / "v.nii", VOXELS), **values), "v")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[1, 1, 1] = value
    with pytest.raises(UnreadableError, match="v: it holds values that are not finite"):
        read_nifti(saved(tmp_path / "v.nii", voxels), "v")


def test_a_series_over_time_is_refused(tmp_path) -> None:
    with pytest.raises(UnreadableError, match="4 axes"):
        read_nifti(saved(tmp_path / "v.nii", np.zeros((2, 2, 2, 5), np.float32)), "v")


def test_a_fourth_axis_of_one_is_no_series(tmp_path) -> None:
    assert read_nifti(saved(tmp_path / "v.nii", VOXELS[..., None]), "v")[0].shape == (4, 3, 2)


@pytest.mark.parametrize(
    ("shape", "moved_mm", "reason"),
    [((2, 3, 5), 0.0, "2 x 3 x 5 voxels, but first"), ((2, 3, 4), 0.2, "lie up to 0.2 mm"), ((2, 3, 4), 0.05, None)],
)
def test_grids_agree_to_a_tenth_of_a_voxel(tmp_path, shape, moved_mm, reason) -> None:
    first = open_nifti(saved(tmp_path / "a.nii", VOXELS), "first")
    affine = RIGHT_FRONT_UP.copy()
    affine[0, 3] = moved_mm
    second = open_nifti(saved(tmp_path / "b.nii", np.zeros(shape, np.uint8), affine), "second")
    if reason is None:
        second.refuse_other_grid(first)
        return
    with pytest.raises(UnreadableError, match=f"second: .*{reason}"):
        second.refuse_other_grid(first)
