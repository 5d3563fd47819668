"""Tiny DICOM files as scanners write them: a few slices of 12 x 10 px."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
SPACING_MM = (0.9, 0.8)


def base(study: str, series: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[study])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[study, series])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[study, "frame"])
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = "P1", "Doe^Jane", "19600101"
    dataset.Modality, dataset.SeriesDescription = "MR", series
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    return dataset


def set_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"


def compress(dataset: Dataset, syntax: str, stream: bytes) -> None:
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def save(dataset: Dataset, path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


@pytest.fixture
def write_series(tmp_path):
    """Writes slices (N, H, W) in order along their normal and returns them; `change(dataset, number)` alters each."""

    def write(
        pixels=None,
        folder="scan",
        series="T1",
        study="study",
        orientation=AXIAL,
        step_mm=5.0,
        start=(-30.0, -20.0, 10.0),
        spacing_mm=SPACING_MM,
        change=lambda dataset, number: None,
    ):
        if pixels is None:
            pixels = np.random.default_rng(0).integers(0, 4000, (5, 12, 10)).astype(np.uint16)
        normal = np.cross(orientation[:3], orientation[3:])
        for number, slice_ in enumerate(pixels):
            dataset = base(study, series)
            set_pixels(dataset, slice_)
            dataset.ImagePositionPatient = [round(float(v), 6) for v in np.array(start) + number * step_mm * normal]
            dataset.ImageOrientationPatient = list(orientation)
            dataset.PixelSpacing = list(spacing_mm)
            dataset.SliceThickness = "1.0"
            change(dataset, number)
            # Names that are not in the order of the slices, without a suffix.
            save(dataset, tmp_path / folder / f"IM{(number * 7 + 3) % 11:02d}_{series.split()[0]}")
        return pixels

    return write


@pytest.fixture
def write_enhanced(tmp_path):
    """Writes one multi-frame file whose frames are shuffled; returns the pixels in order along the normal."""

    def write(pixels, step_mm=5.0, order=(3, 0, 4, 1, 2), slopes=None, change=lambda dataset: None):
        dataset = base("study", "T1")
        set_pixels(dataset, pixels[list(order)])
        dataset.NumberOfFrames = len(pixels)
        shared = Dataset()
        shared.PlaneOrientationSequence = [group(ImageOrientationPatient=list(AXIAL))]
        shared.PixelMeasuresSequence = [group(PixelSpacing=list(SPACING_MM))]
        dataset.SharedFunctionalGroupsSequence = [shared]
        frames = []
        for number in order:
            frame = Dataset()
            frame.PlanePositionSequence = [group(ImagePositionPatient=[-30.0, -20.0, 10.0 + number * step_mm])]
            if slopes is not None:
                values = group(RescaleSlope=slopes[number], RescaleIntercept=-1)
                frame.PixelValueTransformationSequence = [values]
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = frames
        change(dataset)
        save(dataset, tmp_path / "enhanced" / "one")
        return pixels

    return write


def group(**tags) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def tools():
    """The writing functions above, for tests that build their own files."""

    class Tools:
        pass

    tools = Tools()
    tools.base, tools.set_pixels, tools.compress, tools.save, tools.group = base, set_pixels, compress, save, group
    return tools
