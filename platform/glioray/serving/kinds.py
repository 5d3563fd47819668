"""What uploaded bytes are, by the bytes alone, and whether they are a slice or a volume."""

from __future__ import annotations

from typing import Literal

from glioray.data.archive import BEGINNINGS as ZIP_BEGINNINGS
from glioray.data.dicom.single import is_dicom_content, num_frames
from glioray.data.image_file import NPY_MAGIC, num_npy_axes
from glioray.data.nifti_file import is_nifti

Kind = Literal["picture", "array", "dicom", "nifti", "zip"]
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM")
READ = "PNG, JPEG, TIFF, BMP, WebP, .npy, DICOM"
READ_AS_VOLUME = "NIfTI (.nii, .nii.gz), .npy, .npz, or a zip of DICOM series or of NIfTI files"


def kind_of(content: bytes) -> Kind | None:
    """The kind of a file; none of one that is not read here."""
    if is_dicom_content(content):  # first: a DICOM file may begin as a TIFF does
        return "dicom"
    if content.startswith(NPY_MAGIC):
        return "array"
    if content[:4] in ZIP_BEGINNINGS:
        return "zip"
    if content.startswith(PICTURES) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP"):
        return "picture"
    return "nifti" if is_nifti(content) else None


def is_volume(content: bytes, name: str) -> bool:
    """Whether a file of a known kind holds a volume; one that cannot be read is told so as a slice.

    Raises:
        UnreadableError: DICOM with a damaged header.
    """
    kind = kind_of(content)
    if kind == "array":
        return num_npy_axes(content) == 4
    if kind == "dicom":
        return num_frames(content, name) > 1
    return kind in ("nifti", "zip")
