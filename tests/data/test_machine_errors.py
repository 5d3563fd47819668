from __future__ import annotations

import errno
import os
import resource
import zlib

import h5py
import nibabel
import numpy as np
import pytest

from glioray.data.h5_file import open_h5
from glioray.data.image_file import decode_image
from glioray.data.machine_errors import raise_if_of_machine
from glioray.data.nifti_file import open_nifti
from glioray.errors import UnreadableError


@pytest.fixture
def no_more_files():
    """A function after which no file can be opened, until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit() -> None:
        lowest_free = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("code", ["EMFILE", "ENFILE", "EIO", "ENOMEM", "EACCES"])
def test_what_the_machine_failed_at_rises(code) -> None:
    error = OSError(getattr(errno, code), "said by the machine", "scan.nii")
    with pytest.raises(OSError, match="said by the machine") as raised:
        raise_if_of_machine(error)
    assert raised.value is error


@pytest.mark.parametrize("error", [OSError("truncated"), OSError(errno.EINVAL, "seek"), ValueError("x"), zlib.error()])
def test_damage_does_not_rise(error) -> None:
    raise_if_of_machine(error)


def test_a_volume_that_cannot_be_opened_for_too_many_files_is_not_called_damaged(tmp_path, no_more_files) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((3, 3, 3), np.int16), np.eye(4)), tmp_path / "v.nii")
    volume = open_nifti(tmp_path / "v.nii", "v")
    no_more_files()
    for read in (volume.read, lambda: open_nifti(tmp_path / "v.nii", "v")):
        with pytest.raises(OSError, match="Too many open files"):
            read()


def test_an_hdf5_file_that_cannot_be_opened_for_too_many_files_is_not_called_damaged(tmp_path, no_more_files) -> None:
    h5py.File(tmp_path / "a.h5", "w").close()
    no_more_files()
    with pytest.raises(OSError, match="Too many open files"), open_h5(tmp_path / "a.h5", "a"):
        pass


def test_a_disk_that_fails_under_a_decoder_is_no_damaged_picture(monkeypatch) -> None:
    def fail(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("glioray.data.image_file.Image.open", fail)
    with pytest.raises(OSError, match="Input/output error"):
        decode_image(b"x", "x.png")


def test_a_damaged_packed_volume_stays_damaged(tmp_path) -> None:
    """gzip's own error is an OSError too."""
    (tmp_path / "v.nii").write_bytes(b"\x1f\x8b\x08\x00" + bytes(400))
    with pytest.raises(UnreadableError, match="not a readable NIfTI"):
        open_nifti(tmp_path / "v.nii", "v")
