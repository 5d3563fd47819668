"""Good files of every kind that the service reads, for a fuzzer to spoil: a head of noise, the same for a seed."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Sequence

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SIDE_PX, NUM_SLICES = 48, 4


def good_files(channels: Sequence[str], seed: int = 0) -> dict[str, bytes]:
    """The bytes of a file of each kind; those with several channels have the model's, in its order."""
    volume = head(len(channels), seed)
    arrays = {"npy slice": volume[:, NUM_SLICES // 2], "npy volume": volume}
    nifti = nibabel.Nifti1Image(volume.transpose(3, 2, 1, 0).astype(np.int16), np.diag([-1.0, -1.0, 3.0, 1.0]))
    middle = Image.fromarray(volume[0, NUM_SLICES // 2])
    pages = [Image.fromarray(page) for page in volume[:, NUM_SLICES // 2]]
    return {
        "PNG": saved(middle, "PNG"),
        "JPEG": saved(middle, "JPEG"),
        "TIFF": saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]),
        **{name: npy(array) for name, array in arrays.items()},
        "DICOM": dicom(volume[0, 0], channels[0], 0),
        "NIfTI": bytes(nifti.to_bytes()),
        "NIfTI gzip": gzip.compress(nifti.to_bytes(), mtime=0),
        "zip of DICOM": zipped(
            {
                f"{channel}/{number}": dicom(pixels, channel, number)
                for channel, slices in zip(channels, volume, strict=True)
                for number, pixels in enumerate(slices)
            }
        ),
    }


def head(num_channels: int, seed: int = 0) -> NDArray[np.uint8]:
    """(C, N, H, W)"""
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX] - SIDE_PX / 2
    noise = np.random.default_rng(seed).integers(60, 256, (num_channels, NUM_SLICES, SIDE_PX, SIDE_PX))
    return (noise * (np.hypot(rows, columns) < SIDE_PX / 2.5)).astype(np.uint8)


def npy(array: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def dicom(pixels: NDArray[np.uint8], series: str, number: int, extra: Dataset | None = None) -> bytes:
    """An axial MR slice, 3 mm above the one before; `extra` replaces tags."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    uid = generate_uid(entropy_srcs=[series, str(number)])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    dataset.PatientID, dataset.Modality, dataset.SeriesDescription = "P1", "MR", series
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.ImagePositionPatient = [0.0, 0.0, 3.0 * number]
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [1.0, 1.0]
    dataset.add_new("PixelData", "OW", pixels.astype(np.uint16).tobytes())
    dataset.update(extra or Dataset())
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
