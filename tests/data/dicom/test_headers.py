from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from glioray.data.dicom.headers import read_header
from glioray.data.dicom.series import find_series
from glioray.errors import UnreadableError


def one_file(root):
    return sorted((root / "scan").iterdir())[0]


def test_no_name_and_no_birth_date_leave_the_reader(tmp_path, write_series) -> None:
    write_series()
    text = repr(dataclasses.asdict(read_header(one_file(tmp_path), "x")))
    assert "'P1'" in text
    assert "Doe" not in text
    assert "19600101" not in text


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_a_description_that_is_not_ascii_is_read(tmp_path, write_series, charset) -> None:
    def change(dataset, number):
        dataset.SpecificCharacterSet = charset
        dataset.SeriesDescription = "T1 cérébrale, neuro-crâne"

    write_series(change=change)
    assert find_series(tmp_path).series[0].description == "T1 cérébrale, neuro-crâne"


def test_a_description_in_another_character_set_than_declared_breaks_nothing(tmp_path, write_series) -> None:
    def change(dataset, number):
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.add_new("SeriesDescription", "LO", "T1 cérébrale".encode("latin-1"))

    write_series(change=change)
    (series,) = find_series(tmp_path).series
    assert series.problem is None
    assert series.description.startswith("T1 c")


def test_a_damaged_header_is_named(tmp_path, write_series) -> None:
    write_series()
    path = one_file(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnreadableError, match="^scan/broken: not a readable DICOM"):
        read_header(path, "scan/broken")


def test_a_file_deflated_as_a_whole_is_refused_before_it_is_inflated(tmp_path, write_series) -> None:
    def change(dataset, number):
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"

    write_series(change=change)
    with pytest.raises(UnreadableError, match="deflated"):
        read_header(one_file(tmp_path), "x")


def test_a_file_that_describes_fewer_frames_than_it_claims_is_refused(tmp_path, write_enhanced) -> None:
    def change(dataset):
        dataset.NumberOfFrames = 60_000

    write_enhanced(np.zeros((5, 12, 10), np.uint16), change=change)
    (name, reason) = find_series(tmp_path).unreadable[0]
    assert name == "enhanced/one"
    assert "claims 60000 frames and describes 5" in reason
