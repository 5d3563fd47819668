"""BraTS 2020 as single slices in HDF5 (Kaggle awsaf49/brats2020-training-data).

    ROOT/.../volume_<v>_slice_<s>.h5      `image` (240, 240, 4), `mask` (240, 240, 3)
    ROOT/.../meta_data.csv                which slices there are

The last axis of `mask` is one-hot: necrotic, edema, enhancing. Axis 0 of a slice is the x of the NIfTI that it was cut
from, axis 1 its y, and <s> its z, in BraTS's axes: x from the patient's right to left, y from front to back. So the
volumes put together here are those of `brats_nifti`. The files give no spacing: BraTS resamples all scans to 1 mm. Nor
do they name patients: see the option `mapping`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from glioray.data.h5_file import open_h5, plain_array
from glioray.data.nifti_file import MOST_VOXELS
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume
from glioray.data.sources._brats import (
    CHANNELS,
    CITATION,
    LABELS,
    OFFERED,
    brats_contents,
    brats_preprocessing,
    clinical_of,
    files_below,
)
from glioray.data.sources._brats_scale import is_scaled_by_slice, restore_scale
from glioray.data.sources._brats_volumes import group_slices, slice_number
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.errors import DataError, UnreadableError

NAME = "brats_h5"
SPACING_MM = (1.0, 1.0, 1.0)
Channel = Literal["t1", "t1ce", "t2", "flair"]


class Options(SourceOptions):
    """What the slices do not say of themselves."""

    channel_order: tuple[Channel, ...] = Field(
        ("t1", "t1ce", "t2", "flair"), description="the sequences in the order of the files' last axis"
    )
    mapping: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="a CSV in the folder with the columns `volume` and `patient`, for files that do not name patients",
    )

    slice_scale: Literal["undo", "keep"] = Field(
        "undo",
        description="undo: where every slice was standardized by itself, put all back on the scale of their volume",
    )

    @field_validator("channel_order")
    @classmethod
    def _is_permutation(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if sorted(order) != sorted(CHANNELS):
            raise ValueError(f"wanted each of {', '.join(CHANNELS)} once")
        return order


def describe(scans: RawScans[Options]) -> Contents:
    """Three labels on four sequences."""
    return brats_contents(scans, NAME, f"{CITATION}; as HDF5 by Awsaf, Kaggle 2020")


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """The whole slice, each volume and channel on a scale of its own."""
    return brats_preprocessing(scans, NAME)


def find(scans: RawScans[Options]) -> Found:
    """One case a volume, its files in the order of its slices."""
    only(scans.task, OFFERED, NAME)
    need_folder(scans.root)
    files = list(files_below(scans.root))
    found = group_slices(scans, files, scans.options.mapping)
    if not found.cases and not found.refused:
        raise DataError(f"{scans.root}: no slice of BraTS in it. Wanted: volume_<v>_slice_<s>.h5 at any depth")
    table = clinical_of(scans, files, {case.patient_id or "" for case in found.cases})
    return Found(found.cases, found.refused, [*found.remarks, *table.remarks], table.patients)


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """All slices of a volume that there are, under their true numbers and on one scale."""
    names = tuple(scans.name(path) for path in case.files)
    order = [scans.options.channel_order.index(channel) for channel in CHANNELS]
    image, mask = _empty(case.files[0], names[0], len(names))
    for index, (path, name) in enumerate(zip(case.files, names, strict=True)):
        with open_h5(path, name) as file:
            pixels, one_hot = _data_sets(file, name)
            _refuse_unlike(pixels, image, name, names[0])
            values = _finite(pixels[()], name)
            for channel, place in enumerate(order):
                image[index, channel] = values[:, :, place].T
            mask[index] = _labels(one_hot[()], name)
    if scans.options.slice_scale == "undo" and is_scaled_by_slice(image, names):
        restore_scale(image, names)
    return RawVolume(image, mask, names, tuple(slice_number(path) for path in case.files), SPACING_MM)


def _empty(path: Path, name: str, num_slices: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Image (N, C, H, W) and mask (N, H, W) to be filled, in the type and size of the first slice."""
    with open_h5(path, name) as file:
        pixels, _ = _data_sets(file, name)
        columns, rows, _ = pixels.shape
        shape = (num_slices, len(CHANNELS), rows, columns)
        if math.prod(shape) > MOST_VOXELS:
            raise UnreadableError(f"{name}: {num_slices} slices like this are {shape}; at most {MOST_VOXELS:,} voxels.")
        return np.empty(shape, pixels.dtype.newbyteorder("=")), np.empty((num_slices, rows, columns), np.uint8)


def _data_sets(file: h5py.File, name: str) -> tuple[h5py.Dataset, h5py.Dataset]:
    pixels = plain_array(file, "image", name, kinds="fiu", last_axis=len(CHANNELS))
    one_hot = plain_array(file, "mask", name, kinds="biuf", last_axis=len(LABELS))
    if pixels.shape[:2] != one_hot.shape[:2]:
        raise UnreadableError(f"{name}: 'image' is {pixels.shape}, but 'mask' is {one_hot.shape}; they must be equal.")
    return pixels, one_hot


def _refuse_unlike(pixels: h5py.Dataset, image: NDArray[Any], name: str, first: str) -> None:
    wanted_shape, dtype = image.shape[:1:-1], pixels.dtype.newbyteorder("=")
    if pixels.shape[:2] != wanted_shape or dtype != image.dtype:
        raise UnreadableError(
            f"{name}: {dtype} of {pixels.shape[:2]}, but {first} is {image.dtype} of {wanted_shape}; "
            "all slices of a volume must be alike."
        )


def _finite(pixels: NDArray[Any], name: str) -> NDArray[Any]:
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise UnreadableError(f"{name}: 'image' holds values that are not finite (NaN or infinity).")
    return pixels


def _labels(one_hot: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """(H, W) in our labels, from (W, H, 3) of zeros and ones."""
    labels = np.zeros(one_hot.shape[1::-1], dtype=np.uint8)
    if not one_hot.any():
        return labels
    is_label = one_hot.astype(np.bool_)
    if not np.array_equal(is_label, one_hot):
        raise UnreadableError(f"{name}: 'mask' holds other values than 0 and 1.")
    for place, value in enumerate(LABELS.values()):
        labels[is_label[:, :, place].T] += value
    if np.count_nonzero(labels) != np.count_nonzero(is_label):
        raise UnreadableError(f"{name}: 'mask' has two labels in one pixel; wanted one-hot.")
    return labels
