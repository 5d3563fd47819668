"""The synthetic patients of `glioray.data.phantom`, as it writes them.

ROOT/PHANTOM.json
ROOT/slices/<class>/PHANTOM_0001_s012.png
ROOT/volumes/PHANTOM_0001/PHANTOM_0001_{flair,t1,t1ce,t2,seg}.nii.gz
ROOT/survival_info.csv
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from glioray.data.image_file import decode_image
from glioray.data.nifti_file import read_nifti
from glioray.data.phantom.survival import TABLE_NAME
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume, TaskName
from glioray.data.sources._brats import CHANNELS, LABELS, REGIONS, clinical_of, label_map
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.errors import DataError, UnreadableError

Options = SourceOptions
OFFERED: tuple[TaskName, ...] = ("classification", "segmentation")
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SLICE_NAME = re.compile(r"(?P<patient>.+)_s(?P<number>\d+)\.png")
CITATION = (
    "SYNTHETIC: made by glioray's phantom on the anatomy of the MNI152 template (Fonov 2011, "
    "doi:10.1016/j.neuroimage.2010.07.033, as shipped with nilearn); no patient was scanned"
)


def describe(scans: RawScans[Options]) -> Contents:
    """Four classes of single slices, or three labels on four sequences."""
    if only(scans.task, OFFERED, "phantom") == "classification":
        return Contents(task="classification", channels=("grey",), classes=CLASSES, synthetic=True, citation=CITATION)
    return Contents(
        task="segmentation",
        channels=CHANNELS,
        labels=LABELS,
        regions=REGIONS,
        synthetic=True,
        citation=CITATION,
    )


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """Slices with the head cut out; volumes in one frame."""
    is_slices = only(scans.task, OFFERED, "phantom") == "classification"
    return Preprocessing(image_size=128, crop_head=is_slices, intensity="percentile")


def find(scans: RawScans[Options]) -> Found:
    """One case a slice, or one a patient."""
    chosen = only(scans.task, OFFERED, "phantom")
    root = scans.root
    need_folder(root)
    if not (root / "PHANTOM.json").is_file():
        raise DataError(f"{root}: no 'PHANTOM.json' in it, so it is no phantom of glioray.")
    if chosen == "classification":
        return Found(_find_slices(root))
    cases = _find_volumes(root)
    tables = [path for path in (root / TABLE_NAME,) if path.is_file()]  # the first phantoms have none
    table = clinical_of(scans, tables, {case.case_id for case in cases})
    return Found(cases, remarks=table.remarks, clinical=table.patients)


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """A slice, or all slices of the four sequences and the mask."""
    if case.label is not None:
        (path,) = case.files
        name = scans.name(path)
        return RawVolume(decode_image(path.read_bytes(), name)[None], None, (name,), (_slice(path)[1],))
    names = [scans.name(path) for path in case.files]
    read_files = [read_nifti(path, name) for path, name in zip(case.files, names, strict=True)]
    volumes = [volume for volume, _ in read_files]
    for name, volume in zip(names, volumes, strict=True):
        if volume.shape != volumes[0].shape:
            raise UnreadableError(f"{name}: {volume.shape} voxels, but {names[0]} is {volumes[0].shape}.")
    num_slices = len(volumes[0])
    return RawVolume(
        image=np.stack(volumes[:-1], axis=1),
        mask=label_map(volumes[-1], names[-1]),
        sources=(f"volumes/{case.case_id}",) * num_slices,
        slice_indices=tuple(range(num_slices)),
        spacing_mm=read_files[0][1],
    )


def _find_slices(root: Path) -> list[Case]:
    cases = []
    for label, name in enumerate(CLASSES):
        folder = root / "slices" / name
        files = sorted(folder.glob("*.png")) if folder.is_dir() else []
        if not files:
            raise DataError(f"{root / 'slices'}: the class folder {name!r} is missing or empty.")
        cases += [
            Case(file.relative_to(root).as_posix(), (file,), patient_id=_slice(file)[0], label=label) for file in files
        ]
    return cases


def _slice(path: Path) -> tuple[str, int]:
    """(patient, slice index) from the name."""
    match = SLICE_NAME.fullmatch(path.name)
    if match is None:
        raise DataError(f"{path}: not a slice's name. Wanted: PHANTOM_0001_s012.png")
    return match["patient"], int(match["number"])


def _find_volumes(root: Path) -> list[Case]:
    base = root / "volumes"
    folders = sorted(p for p in base.iterdir() if p.is_dir()) if base.is_dir() else []
    if not folders:
        raise DataError(f"{root}: no patient in 'volumes'.")
    cases = []
    for folder in folders:
        files = tuple(folder / f"{folder.name}_{name}.nii.gz" for name in (*CHANNELS, "seg"))
        for file in files:
            if not file.is_file():
                raise DataError(f"{folder}: {file.name!r} is missing.")
        cases.append(Case(folder.name, files, patient_id=folder.name))
    return cases
