"""On the real scans that GLIORAY_REAL_DATA names: what is uploaded is read as training reads it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from glioray.data.sources import brats_nifti, dicom, raw_scans
from glioray.serving.kinds import is_volume
from glioray.serving.upload import FILE, Sent, Upload
from glioray.serving.volume_reading import read_volume
from glioray.serving.volume_settings import VolumeArgs

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".")
LIMITS = VolumeArgs().limits
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not (ROOT / "brats").is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]


def zipped(folder):
    """Every file below a folder, as a person would pack it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return stream.getvalue()


def sent(content):
    return Sent({FILE: Upload(content, "'scan'")})


def test_a_brats_case_is_read_as_for_training_in_parts_and_as_a_zip() -> None:
    scans = raw_scans(brats_nifti, ROOT / "brats")
    (case,) = brats_nifti.find(scans).cases
    raw = brats_nifti.read(scans, case)
    names = ("t1n", "t1c", "t2w", "t2f")
    parts = {name: Upload(path.read_bytes(), name) for name, path in zip(names, case.files, strict=False)}

    for given in (Sent(parts), sent(zipped(case.files[0].parent))):
        read = read_volume(given, ("t1", "t1ce", "t2", "flair"), LIMITS)
        np.testing.assert_array_equal(read.image, raw.image)
        assert read.spacing_mm == raw.spacing_mm
    assert read.place.voxel_ml == pytest.approx(0.001)


def test_a_zip_of_brainix_is_read_as_for_training_with_the_distance_between_its_slices() -> None:
    scans = raw_scans(dicom, ROOT / "dicom" / "brainix", None, {"sequences": ["flair", "t1", "t2"]})
    (case,) = dicom.find(scans).cases
    raw = dicom.read(scans, case)

    read = read_volume(sent(zipped(ROOT / "dicom" / "brainix")), ("flair", "t1", "t2"), LIMITS)

    np.testing.assert_array_equal(read.image, raw.image)
    assert read.spacing_mm == raw.spacing_mm
    assert read.spacing_mm[0] == pytest.approx(6.0, abs=0.01)  # SliceThickness says 5
    assert read.place.voxel_ml == pytest.approx(np.prod(read.spacing_mm) / 1000, rel=1e-3)


def test_a_file_of_a_real_series_is_a_slice_and_its_series_a_volume() -> None:
    folder = ROOT / "dicom" / "t1w_7t"
    content = next(path for path in sorted(folder.rglob("*")) if path.is_file()).read_bytes()

    assert not is_volume(content, "one")
    read = read_volume(sent(zipped(folder)), ("grey",), LIMITS)
    assert read.image.shape[1] == 1
    assert (np.array(read.spacing_mm) > 0.1).all()
