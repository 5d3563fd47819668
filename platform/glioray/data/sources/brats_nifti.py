"""BraTS as NIfTI, 2017 to 2023, and Task01_BrainTumour of the Medical Segmentation Decathlon.

    ROOT/.../<case>/<case>_{flair,t1,t1ce,t2,seg}.nii[.gz]       2018-2021
    ROOT/.../<case>/<case>-{t1n,t1c,t2w,t2f,seg}.nii[.gz]        since 2023
    ROOT/[.../]{dataset.json,imagesTr,labelsTr}                  the decathlon's

Cases may lie at any depth, several in one folder. Survival tables are read where there are any.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.nifti_file import MOST_VOXELS, NiftiVolume, open_nifti
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume
from glioray.data.sources import _msd
from glioray.data.sources._brats import (
    CHANNELS,
    CITATION,
    OFFERED,
    brats_contents,
    brats_preprocessing,
    clinical_of,
    files_below,
    label_map,
)
from glioray.data.sources._brats_names import case_place, group_files
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.errors import DataError, UnreadableError

Options = SourceOptions
NAME = "brats_nifti"
MASK_SINCE_2023 = re.compile(r".*-seg\.nii(\.gz)?", re.IGNORECASE)


def describe(scans: RawScans[Options]) -> Contents:
    """Three labels on four sequences."""
    return brats_contents(scans, NAME, _msd.CITATION if _is_msd(scans) else CITATION)


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """The whole slice, each volume and channel on a scale of its own."""
    return brats_preprocessing(scans, NAME)


def find(scans: RawScans[Options]) -> Found:
    """One case a scan of a patient."""
    only(scans.task, OFFERED, NAME)
    need_folder(scans.root)
    if folder := _msd.msd_folder(scans.root):
        found = _msd.find_msd(scans, folder)
    else:
        files = list(files_below(scans.root))
        grouped = group_files(scans, files)
        table = clinical_of(scans, files, {case.patient_id or "" for case in grouped.cases})
        found = Found(grouped.cases, grouped.refused, [*grouped.remarks, *table.remarks], table.patients)
    if not found.cases and not found.refused:
        raise DataError(f"{scans.root}: no case of BraTS in it. Wanted: {_layout()}")
    return found


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """All slices of the four sequences and the mask, on one grid by their headers."""
    if case.files[-1].name == _msd.RECORD_NAME:
        return _read_msd(scans, case)
    *sequences, mask = (open_nifti(path, scans.name(path)) for path in case.files)
    for volume in (*sequences[1:], mask):
        volume.refuse_other_grid(sequences[0])
    image = _empty(sequences[0], np.result_type(*(volume.dtype for volume in sequences)))
    for channel, volume in enumerate(sequences):
        image[:, channel] = volume.read()
    is_since_2023 = MASK_SINCE_2023.fullmatch(mask.file.name) is not None
    return _raw(scans, case, sequences[0], image, label_map(mask.read(), mask.name, not is_since_2023))


def _read_msd(scans: RawScans[Options], case: Case) -> RawVolume:
    image_path, mask_path, record_path = case.files
    record = _msd.read_record(scans, record_path)
    volume = open_nifti(image_path, scans.name(image_path), num_axes=4)
    mask = open_nifti(mask_path, scans.name(mask_path))
    if volume.shape[3] != len(CHANNELS):
        raise UnreadableError(
            f"{volume.name}: {volume.shape[3]} channels; wanted {len(CHANNELS)}, as dataset.json has."
        )
    mask.refuse_other_grid(volume)
    image = _empty(volume, volume.dtype)
    voxels = volume.read()
    for channel, place in enumerate(record.channel_places):
        image[:, channel] = voxels[..., place]
    return _raw(scans, case, volume, image, record.to_ours(mask.read(), mask.name))


def _empty(grid: NiftiVolume, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(N, C, H, W) to be filled."""
    num_slices, height, width = grid.slices_shape[:3]
    shape = (num_slices, len(CHANNELS), height, width)
    if np.prod(shape, dtype=np.int64) > MOST_VOXELS:
        raise UnreadableError(f"{grid.name}: {shape} voxels with all sequences; at most {MOST_VOXELS:,} are read.")
    return np.empty(shape, dtype)


def _raw(
    scans: RawScans[Options], case: Case, grid: NiftiVolume, image: NDArray[Any], mask: NDArray[np.uint8]
) -> RawVolume:
    place = case_place(scans, case.files[0].parent, case.case_id)
    num_slices = len(image)
    return RawVolume(image, mask, (place,) * num_slices, tuple(range(num_slices)), grid.spacing_mm)


def _is_msd(scans: RawScans[Options]) -> bool:
    return scans.root.is_dir() and _msd.msd_folder(scans.root) is not None


def _layout() -> str:
    return (
        "<case>/<case>_{flair,t1,t1ce,t2,seg}.nii[.gz] or <case>/<case>-{t1n,t1c,t2w,t2f,seg}.nii[.gz] at any depth, "
        "or dataset.json with imagesTr and labelsTr"
    )
