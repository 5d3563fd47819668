"""Why a file cannot be a slice of an MR volume, judged by its header before a pixel is read."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.pixels import get_decoder
from pydicom.uid import UID

from glioray.data.dicom.headers import FileHeader

# 512 MB of 16 bits: far above any head (a 7 T head of 0.5 mm has 100 million).
MOST_VOXELS = 2**28
LONGEST_SIDE_PX = 8192
GREY = ("MONOCHROME1", "MONOCHROME2")
MAPS = {
    **{name: f"a map of {name}, not an image" for name in ("ADC", "FA", "CBF", "CBV", "RCBF", "RCBV", "MTT", "TTP")},
    **dict.fromkeys(("PHASE", "PHASE MAP", "P", "VELOCITY"), "a phase image, not a magnitude"),
    **dict.fromkeys(("T1 MAP", "T2 MAP", "T2_STAR MAP", "R2_MAP"), "a map of relaxation, not an image"),
    **dict.fromkeys(("PROJECTION IMAGE", "MIP", "MIN IP"), "a projection, not slices"),
}
KINDS = {
    "CT": "computed tomography",
    "SC": "a screenshot (secondary capture)",
    "OT": "a screenshot (other)",
    "PR": "a presentation state",
    "SR": "a report",
    "KO": "a list of key images",
    "DOC": "a document",
}
JPEG_LS = "`pip install pyjpegls`"
GDCM = "`pip install python-gdcm`, or convert it with `dcmdjpeg`"
INSTALL = {"1.2.840.10008.1.2.4.80": JPEG_LS, "1.2.840.10008.1.2.4.81": JPEG_LS}


def series_problem(headers: Sequence[FileHeader]) -> str | None:
    """The first reason why these files of one series cannot be used; none where they can."""
    for header in headers:
        problem = _modality(header) or _size(header) or _picture(header) or _decoder(header)
        if problem:
            return problem
    voxels = sum(_voxels(header) for header in headers)
    if voxels > MOST_VOXELS:
        return f"{voxels} voxels; at most {MOST_VOXELS} are read"
    return None


def _modality(header: FileHeader) -> str | None:
    if header.modality == "SEG":
        kind = header.segmentation_type or "none"
        return None if kind == "BINARY" else f"a segmentation of type {kind!r}; only BINARY is read"
    if header.modality != "MR":
        kind = KINDS.get(header.modality, "another kind of object")
        return f"modality {header.modality!r} is {kind}, not MR"
    return None


def _size(header: FileHeader) -> str | None:
    rows, columns = header.encoding.rows, header.encoding.columns
    if not 0 < min(rows, columns) <= max(rows, columns) <= LONGEST_SIDE_PX:
        return f"{header.name!r} claims {rows} x {columns} px; wanted 1 to {LONGEST_SIDE_PX}"
    if _voxels(header) > MOST_VOXELS:
        return f"{header.name!r} claims {_voxels(header)} voxels; at most {MOST_VOXELS} are read"
    return None


def _voxels(header: FileHeader) -> int:
    return header.encoding.rows * header.encoding.columns * header.encoding.num_frames


def _picture(header: FileHeader) -> str | None:
    encoding = header.encoding
    if header.is_burned_in:
        return "text is burned into its pixels (BurnedInAnnotation YES), which may name the patient"
    if encoding.photometric not in GREY or encoding.samples != 1:
        return f"colors ({encoding.photometric or 'no photometric interpretation'}): a screenshot or a colored map"
    if not 1 <= encoding.bits_stored == encoding.high_bit + 1 <= encoding.bits_allocated <= 32:
        bits = (encoding.bits_stored, encoding.high_bit, encoding.bits_allocated)
        return f"{header.name!r} claims bits stored, high bit and bits allocated of {bits}"
    words = {word.upper() for word in (*header.image_type, *_frame_types(header))}
    if "LOCALIZER" in words:
        return "a localizer"
    return next((MAPS[word] for word in sorted(words) if word in MAPS), None)


def _frame_types(header: FileHeader) -> list[str]:
    types = {value for frame in header.frames for trait, value in frame.traits if trait == "FrameType"}
    return [word for value in types for word in value.split("\\")]


def _decoder(header: FileHeader) -> str | None:
    uid = UID(header.encoding.transfer_syntax)
    try:
        if get_decoder(uid).is_available:
            return None
    except NotImplementedError:
        pass
    return f"its transfer syntax ({uid.name}) cannot be decoded here: {INSTALL.get(str(uid), GDCM)}"
