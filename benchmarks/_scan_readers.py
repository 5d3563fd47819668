"""The readers of scans: pictures, NIfTI, DICOM, HDF5, zips, and whatever is uploaded as a volume."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from _good_files import dicom, good_files, head, zipped
from _good_scans import CHANNELS, LABELS, arrays, dicoms, h5s, niftis, pictures, segmentation
from _reader import Read, Reader, by_path
from _reshape import reshape_dicom, reshape_h5, reshape_nifti, reshape_picture, reshape_zip

from glioray.data.archive import safe_unpack
from glioray.data.dicom.masks import read_label_map
from glioray.data.dicom.series import find_series
from glioray.data.dicom.single import num_frames, read_slice
from glioray.data.dicom.volume import axial_grid, read_volume
from glioray.data.image_file import decode_image, decode_slice
from glioray.data.nifti_file import is_nifti, open_nifti, read_nifti
from glioray.data.records import Case
from glioray.data.scan_file import MemoryFile
from glioray.data.sources import brats_h5
from glioray.data.sources._contract import RawScans
from glioray.errors import DataError, ModelError, UnreadableError
from glioray.serving.kinds import kind_of
from glioray.serving.upload import FILE, Sent, Upload
from glioray.serving.volume_reading import read_volume as read_uploaded
from glioray.serving.volume_settings import VolumeArgs


def scan_readers(folder: Path) -> list[Reader]:
    """All of them; those that read from the disk do it below `folder`."""
    drawn, volumes, good = pictures(), niftis(), good_files(CHANNELS)
    slices = drawn | {"npy": good["npy slice"]}
    packed = zipped({"a_t1.nii.gz": volumes["gz"], "b_flair.nii": volumes["nii"]})
    zips = {"zip of DICOM": good["zip of DICOM"], "npz": arrays(), "zip of NIfTI": packed}
    uploads = zips | {"4D": volumes["4D"]}
    return [
        Reader("picture", drawn, lambda content: decode_image(content, "x"), (UnreadableError,), reshape_picture),
        Reader("slice", slices, lambda content: decode_slice(content, "x"), (UnreadableError,), reshape_picture),
        Reader("NIfTI", volumes, _read_nifti, (UnreadableError,), reshape_nifti),
        Reader("DICOM file", dicoms(), _read_dicom, (DataError,), reshape_dicom),
        Reader("DICOM series", dicoms(), _dicom_folder(folder / "series"), (DataError,), reshape_dicom),
        Reader("DICOM mask", {"SEG": segmentation()}, _dicom_mask(folder / "mask"), (DataError,), reshape_dicom),
        Reader("zip on disk", zips, _unpack(folder / "zip"), (DataError,), reshape_zip),
        Reader("upload", uploads, _read_upload, (DataError, ModelError), _reshape_upload),
        Reader("HDF5", h5s(), _read_h5(folder), (UnreadableError,), reshape_h5),
    ]


def _read_nifti(content: bytes) -> object:
    is_nifti(content)
    file = MemoryFile("x.nii", content)
    try:
        return read_nifti(file, "x.nii")
    except UnreadableError:
        return open_nifti(file, "x.nii", (3, 4)).read()


def _read_dicom(content: bytes) -> object:
    num_frames(content, "x.dcm")
    return read_slice(content, "x.dcm")


def _with_neighbors(folder: Path) -> Path:
    """A series of four slices, of which the second is the one to be spoiled."""
    folder.mkdir()
    for number, pixels in enumerate(head(1)[0]):
        (folder / f"{number}.dcm").write_bytes(dicom(pixels, "T1", number))
    return folder


def _dicom_folder(folder: Path) -> Read:
    _with_neighbors(folder)

    def read(_: Path) -> object:
        found = find_series(folder)
        return [read_volume(series) for series in found.series if series.problem is None]

    return by_path(folder / "2.dcm", read)


def _dicom_mask(folder: Path) -> Read:
    (scan,) = find_series(_with_neighbors(folder)).series
    grid = axial_grid(scan)

    def read(_: Path) -> object:
        found = find_series(folder)
        masks = [series for series in found.series if series.is_segmentation and series.problem is None]
        return [read_label_map(mask, grid, LABELS) for mask in masks]

    return by_path(folder / "mask.dcm", read)


def _unpack(folder: Path) -> Read:
    folder.mkdir()

    def read(path: Path) -> object:
        shutil.rmtree(folder / "out", ignore_errors=True)
        (folder / "out").mkdir()
        return safe_unpack(path, folder / "out", most_members=1000, most_bytes=2**24)

    return by_path(folder / "x.zip", read)


def _read_upload(content: bytes) -> object:
    if kind_of(content) is None:
        return None
    return read_uploaded(Sent({FILE: Upload(content, "x")}), CHANNELS, VolumeArgs(max_voxels=2**22).limits)


def _reshape_upload(rng: random.Random, content: bytes) -> bytes:
    return reshape_zip(rng, content) if content.startswith(b"PK") else reshape_nifti(rng, content)


def _read_h5(folder: Path) -> Read:
    scans = RawScans(folder, "segmentation", brats_h5.Options())
    place = folder / "volume_1_slice_2.h5"
    return by_path(place, lambda path: brats_h5.read(scans, Case("1", (path, path))))
