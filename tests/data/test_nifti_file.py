from __future__ import annotations

import nibabel
import numpy as np
import pytest

from glioray.data.nifti_file import read_nifti
from glioray.errors import UnreadableError

VOXELS = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
RIGHT_FRONT_UP = np.diag([1.0, 2.0, 3.0, 1.0])


def saved(path, voxels, affine):
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def test_rows_run_from_front_to_back_and_columns_from_right_to_left(tmp_path) -> None:
    slices, spacing_mm = read_nifti(saved(tmp_path / "v.nii.gz", VOXELS, RIGHT_FRONT_UP), "v")
    assert slices.shape == (4, 3, 2)
    assert slices[0, 0, 0] == VOXELS[1, 2, 0]
    assert spacing_mm == (3.0, 2.0, 1.0)


def test_the_axes_of_the_file_do_not_matter(tmp_path) -> None:
    straight, _ = read_nifti(saved(tmp_path / "a.nii.gz", VOXELS, RIGHT_FRONT_UP), "a")
    left_back_up = np.diag([-1.0, -2.0, 3.0, 1.0])
    turned, _ = read_nifti(saved(tmp_path / "b.nii.gz", VOXELS[::-1, ::-1], left_back_up), "b")
    assert np.array_equal(straight, turned)


@pytest.mark.parametrize("content", [b"", b"text that is no volume", bytes(400)])
def test_what_is_no_volume_is_one_line(tmp_path, content) -> None:
    (tmp_path / "v.nii").write_bytes(content)
    with pytest.raises(UnreadableError, match="not a readable NIfTI") as raised:
        read_nifti(tmp_path / "v.nii", "patient/v.nii")
    assert "\n" not in str(raised.value)


def test_a_truncated_volume_is_refused(tmp_path) -> None:
    path = saved(tmp_path / "v.nii.gz", np.random.default_rng(0).normal(size=(20, 20, 20)), RIGHT_FRONT_UP)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UnreadableError, match="not a readable NIfTI"):
        read_nifti(path, "v")


def test_a_series_over_time_is_refused(tmp_path) -> None:
    with pytest.raises(UnreadableError, match="4 axes"):
        read_nifti(saved(tmp_path / "v.nii", np.zeros((2, 2, 2, 5), np.float32), RIGHT_FRONT_UP), "v")
