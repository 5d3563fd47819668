"""On the real scans that GLIORAY_REAL_DATA names: one BraTS case, five of its slices as HDF5, the survival table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from glioray.data.clinical import read_clinical
from glioray.data.records import Clinical
from glioray.data.sources import brats_h5, brats_nifti, raw_scans
from glioray.data.sources._brats_scale import is_scaled_by_slice, restore_scale

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not (ROOT / "brats").is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]


@pytest.fixture(scope="module")
def nifti():
    scans = raw_scans(brats_nifti, ROOT / "brats")
    (case,) = brats_nifti.find(scans).cases
    assert case.patient_id == "BraTS2021_00006"
    return brats_nifti.read(scans, case)


@pytest.fixture(scope="module")
def h5():
    scans = raw_scans(brats_h5, ROOT / "brats_h5")
    (case,) = brats_h5.find(scans).cases
    return brats_h5.read(scans, case)


def test_a_case_is_whole_and_in_its_own_type(nifti) -> None:
    assert (nifti.image.shape, nifti.image.dtype) == ((155, 4, 240, 240), np.int16)
    assert (nifti.mask.shape, nifti.spacing_mm) == ((155, 240, 240), (1.0, 1.0, 1.0))
    assert np.unique(nifti.mask).tolist() == [0, 1, 2, 4]


def test_the_eyes_look_up_and_the_brain_is_the_right_way_up(nifti) -> None:
    """The hind brain is low and at the back; the highest slices are empty."""
    head = nifti.image[:, 0] > 0
    rows = np.arange(240)
    low = (head[20].sum(axis=1) * rows).sum() / head[20].sum()
    middle = (head[75].sum(axis=1) * rows).sum() / head[75].sum()
    assert head[20].any()
    assert not head[-5:].any()
    assert low > middle


def test_five_slices_as_h5_are_those_of_the_nifti_route(nifti, h5) -> None:
    assert h5.slice_indices == (30, 60, 75, 90, 120)
    assert np.array_equal(h5.mask, nifti.mask[list(h5.slice_indices)])
    assert h5.spacing_mm == nifti.spacing_mm


@pytest.mark.parametrize("channel", range(4))
def test_h5_pixels_are_those_of_the_nifti_route_on_the_scale_of_their_volume(nifti, h5, channel) -> None:
    """Whole numbers came back out of the z-scores, so the routes agree to the last pixel."""
    raw, scaled = nifti.image[list(h5.slice_indices), channel], h5.image[:, channel]
    slope, offset = np.polyfit(raw.ravel().astype(np.float64), scaled.ravel(), 1)
    assert slope > 0
    assert np.abs(scaled - (slope * raw + offset)).max() < 1e-5
    assert np.array_equal(np.rint((scaled - offset) / slope), raw)


def test_the_whole_case_standardized_slice_by_slice_comes_back_exactly(nifti) -> None:
    names = [f"slice {number}" for number in range(155)]
    scaled = nifti.image.astype(np.float64)
    spread = scaled.std(axis=(2, 3), keepdims=True)
    scaled -= scaled.mean(axis=(2, 3), keepdims=True)
    scaled /= np.where(spread > 0, spread, 1)
    assert is_scaled_by_slice(scaled, names)
    restore_scale(scaled, names)
    assert np.array_equal(scaled, nifti.image)


def test_the_gap_between_the_slices_is_told() -> None:
    (remark,) = brats_h5.find(raw_scans(brats_h5, ROOT / "brats_h5")).remarks
    assert (remark.source, "5 slices from 30 to 120" in remark.reason) == ("volume_1", True)


def test_the_survival_table_is_read_but_for_the_patient_who_lived() -> None:
    table = read_clinical([(ROOT / "csv" / "survival_info.csv", "survival_info.csv")])
    assert len(table.patients) == 236
    assert table.patients["BraTS20_Training_001"] == Clinical(age_years=60.463, survival_days=289, resection="GTR")
    assert table.patients["BraTS20_Training_084"] == Clinical(age_years=61.622, alive_days=361, resection="GTR")
    assert ["ALIVE (361 days later)" in remark.reason for remark in table.remarks] == [True, False]
    assert table.remarks[1].reason == "no extent of resection for 107 of 236 patients"
