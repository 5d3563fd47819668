"""A label map as a NIfTI file over the scan that was sent, packed piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from glioray.data.nifti_file import GZIP, to_voxels
from glioray.serving.volume_file import Place

NO_EXTENSION = bytes(4)
FIRST_VOXEL = 352
LEVEL = 6


def nifti_mask(mask: NDArray[np.uint8], place: Place) -> Iterator[bytes]:
    """The pieces of a .nii.gz with a label map (N, H, W), in the axes and with the affine of the scan."""
    voxels = to_voxels(mask, place.affine)
    packer = zlib.compressobj(LEVEL, wbits=GZIP)
    yield packer.compress(_header(voxels.shape, place).binaryblock + NO_EXTENSION)
    for plane in np.moveaxis(voxels, 2, 0):  # NIfTI's first axis runs fastest
        if piece := packer.compress(plane.tobytes(order="F")):
            yield piece
    yield packer.flush()


def _header(shape: tuple[int, ...], place: Place) -> Nifti1Header:
    header = Nifti1Header(endianness="<")
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"] = FIRST_VOXEL
    header.set_qform(place.affine, place.codes[0], strip_shears=True)
    header.set_sform(place.affine, place.codes[1] or place.codes[0])
    header.set_xyzt_units("mm")
    header["descrip"] = b"glioray: research use only, not a medical device"
    header["magic"] = header.single_magic
    return header
