"""What the header of a DICOM file says of its slices; pixels are not touched.

Of the person only the PatientID is read: no name, no date of birth.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pydicom
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from glioray.data.dicom.bounds import MOST_FRAMES, CountedFile, refuse_frames, refuse_long_values
from glioray.data.dicom.functional_groups import frame_items
from glioray.data.machine_errors import raise_if_of_machine
from glioray.data.scan_file import ScanFile
from glioray.errors import UnreadableError

Vector = tuple[float, ...]
# pydicom raises any of these on a damaged file.
DAMAGED = (
    pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
    AttributeError,
    EOFError,
    KeyError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
NUM_FRAMES = Tag("NumberOfFrames")
# What may differ between two images of one place under one series.
TRAITS = (
    "EchoTime",
    "EffectiveEchoTime",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "InversionTime",
    "ImageType",
    "FrameType",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
)
TAGS = (
    *("SpecificCharacterSet", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"),
    *("PatientID", "Modality", "ImageType", "SeriesDescription", "ProtocolName", "BurnedInAnnotation"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("SegmentationType", "SegmentSequence"),
    *TRAITS,
)


@dataclass(frozen=True)
class Encoding:
    """How the pixels of a file are written."""

    rows: int
    columns: int
    num_frames: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    transfer_syntax: str


@dataclass(frozen=True)
class Frame:
    """One slice: where it lies, in mm of the patient (left, posterior, up), and which frame of which file it is.

    orientation is the direction of a row, then of a column; spacing_mm from row to row, then column to column.
    """

    file: ScanFile
    name: str
    index: int
    encoding: Encoding
    position: Vector | None
    orientation: Vector | None
    spacing_mm: Vector | None
    slope: float
    intercept: float
    traits: tuple[tuple[str, str], ...]
    segment: int | None = None

    @property
    def title(self) -> str:
        """Its file, and its number where the file holds several."""
        return self.name if self.encoding.num_frames == 1 else f"{self.name} frame {self.index + 1}"


@dataclass(frozen=True)
class FileHeader:
    """A file and its frames. `segments` are the numbers and labels of a segmentation object."""

    file: ScanFile
    name: str
    sop_uid: str
    series_uid: str
    study_uid: str
    frame_of_reference: str
    patient_id: str
    modality: str
    image_type: tuple[str, ...]
    description: str
    protocol: str
    is_burned_in: bool
    segmentation_type: str
    segments: tuple[tuple[int, str], ...]
    encoding: Encoding
    frames: tuple[Frame, ...]


def read_header(file: ScanFile, name: str, most_frames: int = MOST_FRAMES) -> FileHeader:
    """The header of a DICOM file, called `name` in errors.

    Raises:
        UnreadableError: it is damaged, lacks what every DICOM file must say, or says too much; or more frames.
        OSError: the machine failed, not the file.
    """
    try:
        with file.open("rb") as opened:
            num_frames = _claimed_frames(opened)
            refuse_frames(num_frames, most_frames)
            opened.seek(0)
            counted: Any = CountedFile(opened, num_frames)
            dataset = pydicom.dcmread(counted, stop_before_pixels=True, specific_tags=list(TAGS))
        refuse_long_values(dataset, num_frames)
        return _header(dataset, file, name)
    except DAMAGED as error:
        raise _damaged(name, error) from None


def claimed_frames(file: ScanFile, name: str) -> int:
    """How many frames a file says that it has, 1 or more, without a look at what it says of each.

    Raises:
        UnreadableError: it is damaged before it says so.
        OSError: the machine failed, not the file.
    """
    try:
        with file.open("rb") as opened:
            return _claimed_frames(opened)
    except DAMAGED as error:
        raise _damaged(name, error) from None


def _claimed_frames(opened: BinaryIO) -> int:
    if _transfer_syntax(opened) == DeflatedExplicitVRLittleEndian:
        # Its header cannot be read without inflating the whole file to an unknown size.
        raise ValueError("it is deflated as a whole; convert it with `dcmconv +te`")
    opened.seek(0)
    counted: Any = CountedFile(opened, num_frames=1)
    dataset = read_partial(counted, lambda tag, _vr, _length: tag > NUM_FRAMES, specific_tags=[NUM_FRAMES])
    refuse_long_values(dataset, num_frames=1)
    return max(int(dataset.get("NumberOfFrames") or 1), 1)


def _transfer_syntax(opened: BinaryIO) -> str:
    """From the first group of tags, which alone is written the same way in every file."""
    counted: Any = CountedFile(opened, num_frames=1)
    read_preamble(counted, force=False)
    group = read_dataset(
        counted, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2
    )
    return str(group.TransferSyntaxUID)


def _damaged(name: str, error: Exception) -> UnreadableError:
    raise_if_of_machine(error)
    reason = " ".join(str(error).split()) or type(error).__name__
    return UnreadableError(f"{name}: not a readable DICOM file ({reason}).")


def _header(dataset: Any, file: ScanFile, name: str) -> FileHeader:
    encoding = _encoding(dataset)
    return FileHeader(
        file=file,
        name=name,
        sop_uid=_needed(dataset, "SOPInstanceUID"),
        series_uid=_needed(dataset, "SeriesInstanceUID"),
        study_uid=_needed(dataset, "StudyInstanceUID"),
        frame_of_reference=_text(dataset, "FrameOfReferenceUID"),
        patient_id=_text(dataset, "PatientID"),
        modality=_text(dataset, "Modality").upper(),
        image_type=tuple(_values(dataset, "ImageType")),
        description=_text(dataset, "SeriesDescription"),
        protocol=_text(dataset, "ProtocolName"),
        is_burned_in=_text(dataset, "BurnedInAnnotation").upper() == "YES",
        segmentation_type=_text(dataset, "SegmentationType").upper(),
        segments=tuple((int(item.SegmentNumber), _text(item, "SegmentLabel")) for item in _items(dataset)),
        encoding=encoding,
        frames=tuple(_frames(dataset, encoding, file, name)),
    )


def _encoding(dataset: Any) -> Encoding:
    allocated = int(dataset.get("BitsAllocated") or 0)
    stored = int(dataset.get("BitsStored") or allocated)
    high_bit = dataset.get("HighBit")
    return Encoding(
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        num_frames=max(int(dataset.get("NumberOfFrames") or 1), 1),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        photometric=_text(dataset, "PhotometricInterpretation").upper(),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else int(high_bit),
        is_signed=bool(dataset.get("PixelRepresentation") or 0),
        transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
    )


def _frames(dataset: Any, encoding: Encoding, file: ScanFile, name: str) -> list[Frame]:
    """The frames of an image; none of a file that shows none."""
    if not encoding.rows:
        return []
    return [
        Frame(
            file=file,
            name=name,
            index=index,
            encoding=encoding,
            position=_vector(item.get("ImagePositionPatient"), 3),
            orientation=_vector(item.get("ImageOrientationPatient"), 6),
            spacing_mm=_vector(item.get("PixelSpacing"), 2),
            slope=_number(item.get("RescaleSlope"), 1.0),
            intercept=_number(item.get("RescaleIntercept"), 0.0),
            traits=tuple((trait, "\\".join(_values(item, trait))) for trait in TRAITS if item.get(trait) is not None),
            segment=item.get("ReferencedSegmentNumber"),
        )
        for index, item in enumerate(frame_items(dataset, encoding.num_frames))
    ]


def _items(dataset: Any) -> Sequence[Any]:
    items: Sequence[Any] = dataset.get("SegmentSequence") or ()
    return items


def _needed(dataset: Any, keyword: str) -> str:
    value = _text(dataset, keyword)
    if not value:
        raise ValueError(f"it has no {keyword}")
    return value


def _text(dataset: Any, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def _values(dataset: Any, keyword: str) -> list[str]:
    value = dataset.get(keyword)
    values = [] if value is None else [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
    return [str(part).strip() for part in values]


def _vector(value: Any, length: int) -> Vector | None:
    """Finite numbers, or none where the tag is not there or holds another number of them."""
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != length:
        return None
    numbers = tuple(float(part) for part in value)
    return numbers if all(math.isfinite(number) for number in numbers) else None


def _number(value: Any, default: float) -> float:
    number = default if value is None or value == "" else float(value)
    if not math.isfinite(number):
        raise ValueError(f"a rescale value is {number!r}")
    return number
