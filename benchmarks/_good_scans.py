"""Good scans of every encoding that is read, for a fuzzer to spoil; of one head of noise, the same each time."""

from __future__ import annotations

import gzip
import io
from typing import Any

import h5py
import nibabel
import numpy as np
import pydicom
from _good_files import dicom, good_files, head, npy, saved, zipped
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

CHANNELS = ("t1", "flair")
LABELS = ("edema", "necrotic")


def pictures() -> dict[str, bytes]:
    pixels = head(1)[0, 2]
    grey, deep = Image.fromarray(pixels), Image.fromarray(pixels.astype(np.uint16) * 200)
    pages = {"save_all": True, "append_images": [grey, grey]}
    return {
        "PNG": saved(grey, "PNG"),
        "PNG, 16 bits": saved(deep, "PNG"),
        "PNG, palette": saved(grey.convert("P"), "PNG", transparency=0),
        "PNG, colors": saved(grey.convert("RGBA"), "PNG"),
        "JPEG": saved(grey, "JPEG"),
        "JPEG, progressive": saved(grey.convert("RGB"), "JPEG", progressive=True),
        "TIFF": saved(grey, "TIFF", **pages),
        "TIFF, LZW": saved(grey, "TIFF", compression="tiff_lzw"),
        "TIFF, JPEG": saved(grey, "TIFF", compression="jpeg"),
        "TIFF, deflate": saved(deep, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF, real": saved(Image.fromarray(pixels.astype(np.float32)), "TIFF"),
        "BMP": saved(grey, "BMP"),
        "WebP": saved(grey.convert("RGB"), "WEBP", lossless=True),
    }


def niftis() -> dict[str, bytes]:
    voxels = head(1)[0].transpose(2, 1, 0)
    affine = np.array([[0, -1.1, 0.1, 3], [-1.0, 0, 0, 4], [0, 0.1, 3, 5], [0, 0, 0, 1]])
    plain = nibabel.Nifti1Image(voxels[:24, :24], affine)
    scaled = nibabel.Nifti1Image(voxels[:24, :24].astype(np.int16), affine)
    scaled.header.set_slope_inter(0.5, -3)
    real = nibabel.Nifti2Image(voxels[:24, :24].astype(np.float32), np.diag([1.0, 1, 3, 1]))
    one = plain.to_bytes()
    return {
        "nii": one,
        "gz": gzip.compress(one, mtime=0),
        "gz in pieces": gzip.compress(one[:1000], mtime=0) + gzip.compress(one[1000:], mtime=0),
        "slope": scaled.to_bytes(),
        "NIfTI-2": real.to_bytes(),
        "4D": good_files(CHANNELS)["NIfTI"],
    }


def dicoms() -> dict[str, bytes]:
    pixels = head(1)[0, 2]
    dark = Dataset()
    dark.PhotometricInterpretation, dark.RescaleSlope, dark.RescaleIntercept = "MONOCHROME1", "0.5", "-7"
    lossless = io.BytesIO()
    Image.fromarray(pixels).save(lossless, "JPEG2000", irreversible=False)
    run_length = pydicom.dcmread(io.BytesIO(dicom(pixels, "T1", 2)))
    run_length.compress(RLELossless, generate_instance_uid=False)
    jpeg_ls = pydicom.dcmread(io.BytesIO(dicom(pixels, "T1", 2)))
    jpeg_ls.compress(JPEGLSLossless, generate_instance_uid=False)
    return {
        "explicit": dicom(pixels, "T1", 2),
        "implicit": _as_bytes(pydicom.dcmread(io.BytesIO(dicom(pixels, "T1", 2, dark))), ImplicitVRLittleEndian),
        "RLE": _as_bytes(run_length),
        "JPEG-LS": _as_bytes(jpeg_ls),
        "JPEG": _compressed(pixels, saved(Image.fromarray(pixels), "JPEG"), JPEGBaseline8Bit),
        "JPEG 2000": _compressed(pixels, lossless.getvalue(), JPEG2000Lossless),
        "enhanced": _enhanced(head(1)[0]),
    }


def segmentation() -> bytes:
    """Of slices 1 and 2 of the head: a square of each of two labels."""
    masks = np.zeros((2, 48, 48), np.uint8)
    masks[:, 10:20, 10:20] = 1
    groups = _groups([[0.0, 0.0, 3.0], [0.0, 0.0, 6.0]])
    for number, frame in enumerate(groups["PerFrameFunctionalGroupsSequence"]):
        frame.SegmentIdentificationSequence = [_with(ReferencedSegmentNumber=number + 1)]
    segments = [_with(SegmentNumber=number + 1, SegmentLabel=name) for number, name in enumerate(LABELS)]
    extra = _with(NumberOfFrames=2, Modality="SEG", SegmentationType="BINARY", SegmentSequence=segments, **groups)
    dataset = pydicom.dcmread(io.BytesIO(dicom(masks[0], "mask", 0, extra)))
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    dataset.PixelData = np.packbits(masks.ravel(), bitorder="little").tobytes()
    return _as_bytes(dataset)


def arrays() -> bytes:
    volume = head(2)
    return zipped({"t1.npy": npy(volume[0]), "flair.npy": npy(volume[1]), "spacing_mm.npy": npy(np.array([3.0, 1, 1]))})


def h5s() -> dict[str, bytes]:
    made = {}
    for name, options in {
        "plain": {},
        "gzip": {"compression": "gzip", "shuffle": True},
        "lzf": {"compression": "lzf"},
    }.items():
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file.create_dataset("image", data=head(4)[:, 2].transpose(2, 1, 0).astype(np.float32), **options)
            mask = np.zeros((48, 48, 3), np.uint8)
            mask[20:30, 20:30, 1] = 1
            file.create_dataset("mask", data=mask, **options)
        made[name] = stream.getvalue()
    return made


def _as_bytes(dataset: Any, syntax: str | None = None) -> bytes:
    stream = io.BytesIO()
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        stream,
        dataset,
        enforce_file_format=True,
        **({"implicit_vr": True, "little_endian": True} if syntax == ImplicitVRLittleEndian else {}),
    )
    return stream.getvalue()


def _compressed(pixels: np.ndarray, stream: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom(pixels, "T1", 2)))
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return _as_bytes(dataset, syntax)


def _with(**tags: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def _groups(positions: list[list[float]], **more: Any) -> dict[str, Any]:
    shared = _with(
        PlaneOrientationSequence=[_with(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[_with(PixelSpacing=[1.0, 1.0])],
    )
    frames = [_with(PlanePositionSequence=[_with(ImagePositionPatient=place)], **more) for place in positions]
    return {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}


def _enhanced(pixels: np.ndarray) -> bytes:
    places = [[0.0, 0.0, 3.0 * number] for number in range(len(pixels))]
    extra = _with(NumberOfFrames=len(pixels), **_groups(places))
    dataset = pydicom.dcmread(io.BytesIO(dicom(pixels[0], "T1", 0, extra)))
    dataset.PixelData = pixels.astype(np.uint16).tobytes()
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del dataset[keyword]
    return _as_bytes(dataset)
