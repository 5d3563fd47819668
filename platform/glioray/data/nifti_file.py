"""A NIfTI volume as axial slices, turned the same way whatever its own axes are."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from glioray.errors import UnreadableError

DAMAGED = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    KeyError,
)


def read_nifti(path: Path, name: str) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """(N, H, W) from the lowest slice up, and the spacing in mm between slices, rows and columns.

    Rows run from front to back, columns from the patient's right to left, as a radiologist looks at them.

    Raises:
        UnreadableError: not a 3D NIfTI, or a damaged one.
    """
    try:
        image = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_filename(path))
        voxels = np.asanyarray(image.dataobj)
    except DAMAGED as error:
        reason = " ".join(str(error).split())
        raise UnreadableError(f"{name}: not a readable NIfTI volume ({reason}).") from None
    if voxels.ndim != 3:
        raise UnreadableError(f"{name}: {voxels.ndim} axes {voxels.shape}; wanted a volume of 3.")
    right, front, up = (float(size) for size in image.header.get_zooms()[:3])
    slices = voxels[::-1, ::-1].transpose(2, 1, 0)
    return np.ascontiguousarray(slices), (up, front, right)
