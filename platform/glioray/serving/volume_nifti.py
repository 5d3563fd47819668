"""NIfTI that was uploaded: a file a sequence on one grid, or one file with all channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.nifti_file import NiftiVolume, open_nifti
from glioray.data.scan_file import ScanFile
from glioray.errors import DataError, UnreadableError
from glioray.serving.volume_file import Place, ScannedVolume, by_channel, channel_places, refuse_large
from glioray.serving.volume_settings import Limits


def read_sequences(files: Iterable[tuple[str, ScanFile]], channels: Sequence[str], limits: Limits) -> ScannedVolume:
    """A file for each channel, under any spelling of its sequence.

    Raises:
        ModelError: files and channels do not fit.
        DataError: the files are not on one grid, or too large.
        UnreadableError: a file is damaged, or holds NaN.
    """
    chosen = by_channel(files, channels, "part")
    volumes = [open_nifti(file, file.name, most_voxels=limits.voxels) for file in chosen]
    first = volumes[0]
    for other in volumes[1:]:
        _refuse_other_grid(other, first)
    num_slices, height, width = first.slices_shape
    shape = (num_slices, len(volumes), height, width)
    itemsize = max(_itemsize(volume) for volume in volumes)
    refuse_large(shape, itemsize, limits, first.name)
    image = np.empty(shape, np.result_type(*(volume.dtype for volume in volumes)))
    for channel, volume in enumerate(volumes):
        image[:, channel] = volume.read()
    return _scanned(first, image)


def read_one(file: ScanFile, channels: Sequence[str], order: Sequence[str], limits: Limits) -> ScannedVolume:
    """One file, with the channels on its fourth axis where there are several; raises as `read_sequences`."""
    volume = open_nifti(file, file.name, (3, 4), limits.voxels)
    num_slices, height, width, *num_channels = volume.slices_shape
    shape = (num_slices, *(num_channels or (1,)), height, width)
    places = channel_places(shape[1], channels, order, volume.name)
    refuse_large(shape, _itemsize(volume), limits, volume.name)
    voxels = volume.read()
    image = np.moveaxis(voxels, 3, 1) if voxels.ndim == 4 else voxels[:, None]
    return _scanned(volume, np.ascontiguousarray(image[:, places]))


def _itemsize(volume: NiftiVolume) -> int:
    """Bytes of a voxel in the file or as it is read, whichever is more."""
    return max(int(volume.header.get_data_dtype().itemsize), volume.dtype.itemsize)


def _refuse_other_grid(volume: NiftiVolume, first: NiftiVolume) -> None:
    try:
        volume.refuse_other_grid(first)
    except UnreadableError as error:
        # Each file can be read well; it is the two of them that do not fit.
        raise DataError(str(error)) from None


def _scanned(volume: NiftiVolume, image: NDArray[Any]) -> ScannedVolume:
    codes = (int(volume.header["qform_code"]), int(volume.header["sform_code"]))
    return ScannedVolume(image, Place(volume.affine, codes), volume.spacing_mm)
