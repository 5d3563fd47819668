"""A disk that does not answer, as the first byte of a process's own memory does not: EIO."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glioray.data.dicom.folder import dicom_files
from glioray.data.dicom.headers import read_header
from glioray.data.dicom.series import find_series
from glioray.data.dicom.volume import read_volume

BAD_DISK = Path("/proc/self/mem")
pytestmark = pytest.mark.skipif(not BAD_DISK.exists(), reason="needs /proc")


def test_a_file_that_may_be_a_slice_is_not_passed_over(tmp_path, write_series) -> None:
    write_series()
    (tmp_path / "scan" / "last").symlink_to(BAD_DISK)
    with pytest.raises(OSError, match="Input/output error"):
        find_series(tmp_path)


def test_a_header_on_a_bad_disk_is_not_called_damaged() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        read_header(BAD_DISK, "x")


def test_pixels_on_a_bad_disk_are_not_called_damaged(tmp_path, write_series) -> None:
    write_series()
    (series,) = find_series(tmp_path).series
    third = tmp_path / series.names[2]
    third.unlink()
    third.symlink_to(BAD_DISK)
    with pytest.raises(OSError, match="Input/output error"):
        read_volume(series)


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, write_series, monkeypatch) -> None:
    write_series(folder="a/locked")
    list_ = os.scandir

    def refuse(place):
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied", str(place))
        return list_(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="locked"):
        dicom_files(tmp_path)
