"""On the real scans that GLIORAY_REAL_DATA names: BRAINIX and a 7 T head, against their headers by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest

from glioray.data.dicom.series import find_series
from glioray.data.dicom.volume import read_volume
from glioray.data.sources import dicom, raw_scans

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".") / "dicom"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not ROOT.is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]


def by_height(folder):
    """The files of a folder from the lowest position up: by z alone, since these slices are nearly level."""
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    return sorted(files, key=lambda file: float(file.ImagePositionPatient[2]))


def one_case(**options):
    scans = raw_scans(dicom, ROOT / "brainix", None, options)
    (case,) = dicom.find(scans).cases
    return dicom.read(scans, case)


def test_the_flair_is_in_the_order_of_its_positions() -> None:
    files = by_height(ROOT / "brainix" / "FLAIR")
    volume = one_case(sequences=["flair"])
    assert volume.image.shape == (22, 1, 288, 288)
    np.testing.assert_array_equal(volume.image[:, 0], np.stack([file.pixel_array for file in files]))
    assert volume.sources[0] == "FLAIR/IM-0001-0022.dcm"
    assert volume.sources[-1] == "FLAIR/IM-0001-0001.dcm"


def test_the_spacing_of_the_flair_is_the_distance_of_its_oblique_slices() -> None:
    """5.98 mm upward, and 6.00 mm along the slices' own normal, where SliceThickness says 5."""
    files = by_height(ROOT / "brainix" / "FLAIR")
    positions = np.array([file.ImagePositionPatient for file in files], dtype=float)
    upward = np.diff(positions[:, 2])
    assert upward.min() == pytest.approx(5.9827, abs=1e-3)
    slice_mm, row_mm, column_mm = one_case(sequences=["flair"]).spacing_mm
    assert slice_mm == pytest.approx(np.linalg.norm(positions[-1] - positions[0]) / 21, abs=1e-4)
    assert slice_mm == pytest.approx(6.0, abs=1e-4)
    assert slice_mm != pytest.approx(float(files[0].SliceThickness), abs=0.5)
    assert (row_mm, column_mm) == pytest.approx((0.798611, 0.798611), abs=1e-5)


def test_the_mask_fits_the_flair_without_losing_a_voxel() -> None:
    by_hand = np.stack([file.pixel_array > 0 for file in by_height(ROOT / "brainix" / "ROI")])
    volume = one_case(sequences=["flair"])
    np.testing.assert_array_equal(volume.mask, by_hand)
    assert by_hand.sum() == 10482
    # The tumor is bright in FLAIR: its mask must lie on it.
    assert np.median(volume.image[:, 0][by_hand]) > 2 * np.median(volume.image[volume.image > 0])


def test_all_three_sequences_lie_on_the_grid_of_the_mask() -> None:
    scans = raw_scans(dicom, ROOT / "brainix")
    assert dicom.describe(scans).channels == ("t1", "t2", "flair")
    volume = one_case()
    assert volume.image.shape == (22, 3, 288, 288)
    assert volume.mask.sum() == 10482
    # The T2 has the matrix of 512 and the very slices of the FLAIR: a voxel by hand.
    files = by_height(ROOT / "brainix" / "T2")
    flair = by_height(ROOT / "brainix" / "FLAIR")[11]
    pixels = files[11].pixel_array.astype(float)
    row, column = (np.array([140, 100]) * float(flair.PixelSpacing[0])) / float(files[11].PixelSpacing[0])
    top, left = int(row), int(column)
    down, right = row - top, column - left
    by_hand = (
        pixels[top, left] * (1 - down) * (1 - right)
        + pixels[top, left + 1] * (1 - down) * right
        + pixels[top + 1, left] * down * (1 - right)
        + pixels[top + 1, left + 1] * down * right
    )
    assert volume.image[11, 1, 140, 100] == pytest.approx(by_hand, abs=0.5)


def test_the_7_t_head_has_the_pixels_of_the_file_at_each_position() -> None:
    (series,) = find_series(ROOT / "t1w_7t").series
    volume = read_volume(series)
    files = by_height(ROOT / "t1w_7t")
    assert volume.values.shape == (64, 384, 274)
    assert volume.grid.spacing_mm == pytest.approx((0.666667, 0.666667, 0.699988), abs=1e-5)
    np.testing.assert_array_equal(volume.values, np.stack([file.pixel_array for file in files]))


def test_a_healthy_head_has_no_mask_and_is_refused_for_training() -> None:
    found = dicom.find(raw_scans(dicom, ROOT, None, {"sequences": ["t1"], "mask": "ROI"}))
    assert {refused.source for refused in found.refused} >= {"t1w_7t"}
    assert "no mask of the tumor" in next(r.reason for r in found.refused if r.source == "t1w_7t")
