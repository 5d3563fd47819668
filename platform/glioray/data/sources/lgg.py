"""LGG Segmentation (Kaggle mateuszbuda/lgg-mri-segmentation; Buda 2019).

    ROOT/<patient>/<patient>_<n>.tif        256 x 256 x 3: pre-contrast, FLAIR, post-contrast
    ROOT/<patient>/<patient>_<n>_mask.tif   256 x 256 in {0, 255}

ROOT may also be the folder that holds `kaggle_3m`. A missing sequence was replaced by FLAIR by the authors.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioray.data.image_file import decode_image, decode_slice
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume, TaskName
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.errors import DataError, UnreadableError

Options = SourceOptions
OFFERED: tuple[TaskName, ...] = ("segmentation",)
CHANNELS = ("pre_contrast", "flair", "post_contrast")
MASK_ENDING = "_mask.tif"
INSIDE = 255
SLICE_NUMBER = re.compile(r"_(\d+)\.tif$")


def describe(scans: RawScans[Options]) -> Contents:
    """One label on three sequences."""
    return Contents(
        task=only(scans.task, OFFERED, "lgg"),
        channels=CHANNELS,
        labels={"flair_abnormality": 1},
        citation="LGG Segmentation, Buda 2019, doi:10.1016/j.compbiomed.2019.05.002, from TCGA-LGG "
        "(CC BY-NC-SA 4.0; TCIA data policy)",
    )


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """Each volume and channel on a scale of its own: the hospitals of TCGA differ much."""
    only(scans.task, OFFERED, "lgg")
    return Preprocessing(image_size=128, crop_head=False, intensity="percentile")


def find(scans: RawScans[Options]) -> Found:
    """One case a patient; files are slice, mask, slice, mask, in the order of slices."""
    only(scans.task, OFFERED, "lgg")
    root = scans.root
    need_folder(root)
    base = root / "kaggle_3m" if (root / "kaggle_3m").is_dir() else root
    folders = sorted(p for p in base.iterdir() if p.is_dir() and any(p.glob("*.tif")))
    if not folders:
        raise DataError(f"{root}: no patient in it. Wanted: {base}/<patient>/<patient>_<n>.tif with _mask.tif")
    return Found([Case(folder.name, _files(folder), patient_id=folder.name) for folder in folders])


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """All slices of a patient and their masks."""
    names = [scans.name(path) for path in case.files]
    slices = [_slice(path, name) for path, name in zip(case.files[::2], names[::2], strict=True)]
    masks = [
        _mask(path, name, shape)
        for path, name, shape in zip(case.files[1::2], names[1::2], [s.shape[1:] for s in slices], strict=True)
    ]
    for name, pixels in zip(names[::2], slices, strict=True):
        if pixels.shape != slices[0].shape:
            raise UnreadableError(f"{name}: {pixels.shape[1:]} px, but {names[0]} is {slices[0].shape[1:]} px.")
    indices = tuple(_number(path) for path in case.files[::2])
    return RawVolume(np.stack(slices), np.stack(masks), tuple(names[::2]), indices)


def _files(folder: Path) -> tuple[Path, ...]:
    slices = sorted((p for p in folder.glob("*.tif") if not p.name.endswith(MASK_ENDING)), key=_number)
    pairs = [(path, path.with_name(path.stem + MASK_ENDING)) for path in slices]
    for path, mask in pairs:
        if not mask.is_file():
            raise DataError(f"{path}: its mask {mask.name!r} is missing.")
    return tuple(path for pair in pairs for path in pair)


def _number(path: Path) -> int:
    match = SLICE_NUMBER.search(path.name)
    if match is None:
        raise DataError(f"{path}: no slice number in the name. Wanted: <patient>_<n>.tif")
    return int(match.group(1))


def _slice(path: Path, name: str) -> NDArray[np.uint8]:
    pixels = decode_slice(path.read_bytes(), name)
    if pixels.shape[0] != len(CHANNELS) or pixels.dtype != np.uint8:
        raise UnreadableError(f"{name}: {pixels.shape[0]} channels of {pixels.dtype}; wanted 3 of uint8.")
    slice_: NDArray[np.uint8] = pixels
    return slice_


def _mask(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    pixels = decode_image(path.read_bytes(), name)[0]
    if pixels.shape != shape:
        raise UnreadableError(f"{name}: the mask is {pixels.shape} px, its image is {shape} px; they must be equal.")
    strange = sorted(set(np.unique(pixels).tolist()) - {0, INSIDE})
    if strange:
        raise UnreadableError(f"{name}: the mask holds {strange[0]!r}; wanted 0 and {INSIDE}, as kaggle_3m has them.")
    mask: NDArray[np.uint8] = (pixels == INSIDE).astype(np.uint8)
    return mask
