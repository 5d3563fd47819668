"""Each kind of series that is no MR volume, and the word by which its reason tells it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pydicom.uid import JPEGLosslessSV1

from glioray.data.dicom import problems
from glioray.data.dicom.series import find_series


def setter(**tags):
    def change(dataset, number):
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned into its pixels"),
        ({"Modality": "CT"}, "'CT' is computed tomography"),
        ({"Modality": "SC"}, "screenshot"),
        ({"Modality": "PR"}, "presentation state"),
        ({"Modality": "US"}, "'US' is another kind"),
        ({"Modality": "SEG", "SegmentationType": "FRACTIONAL"}, "'FRACTIONAL'; only BINARY"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "colors"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "map of ADC"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "projection"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000 px"),
        ({"Rows": 8000, "Columns": 8000}, "voxels; at most"),
        ({"PixelSpacing": [0.0, 0.8]}, r"pixels of \(0.0, 0.8\) mm"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "right angles"),
        ({"HighBit": 20}, "high bit"),
    ],
)
def test_a_series_that_is_no_volume_is_refused_with_the_reason(tmp_path, write_series, tags, reason) -> None:
    write_series(change=setter(**tags))
    series = find_series(tmp_path).series[0]
    assert re.search(reason, series.problem or "")
    assert series.grid is None


def test_a_derived_image_that_is_no_map_is_read(tmp_path, write_series) -> None:
    write_series(change=setter(ImageType=["DERIVED", "SECONDARY"]))
    assert find_series(tmp_path).series[0].problem is None


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_a_slice_without_a_place_is_refused(tmp_path, write_series, keyword) -> None:
    write_series(change=lambda dataset, number: delattr(dataset, keyword))
    assert "does not say where" in find_series(tmp_path).series[0].problem


def test_two_slices_are_no_volume(tmp_path, write_series) -> None:
    write_series(pixels=np.zeros((2, 12, 10), np.uint16))
    assert "only 2 slices" in find_series(tmp_path).series[0].problem


def test_three_planes_at_right_angles_are_a_localizer(tmp_path, write_series) -> None:
    planes = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])

    def change(dataset, number):
        dataset.ImageOrientationPatient = planes[number % 3]

    write_series(pixels=np.zeros((9, 12, 10), np.uint16), change=change)
    assert "a localizer: three planes" in find_series(tmp_path).series[0].problem


def test_a_compression_without_a_decoder_says_what_to_install(tmp_path, write_series, tools) -> None:
    write_series(change=lambda dataset, number: tools.compress(dataset, JPEGLosslessSV1, b"\xff\xd8\xff\xd9"))
    problem = find_series(tmp_path).series[0].problem
    assert "JPEG Lossless" in problem
    assert "python-gdcm" in problem


def test_a_claim_of_too_many_voxels_is_refused_over_all_files(tmp_path, write_series, monkeypatch) -> None:
    write_series()
    monkeypatch.setattr(problems, "MOST_VOXELS", 5 * 12 * 10 - 1)
    assert "600 voxels; at most 599" in find_series(tmp_path).series[0].problem
