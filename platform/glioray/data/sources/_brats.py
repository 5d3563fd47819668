"""What all editions of BraTS share: channels, labels, regions, whose data they are, and their tables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.archive import inside
from glioray.data.clinical import TABLE_NAMES, ClinicalTable, read_clinical
from glioray.data.machine_errors import raise_always
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Refused, TaskName
from glioray.data.sources._contract import RawScans, only
from glioray.errors import UnreadableError

OFFERED: tuple[TaskName, ...] = ("segmentation",)
CHANNELS = ("t1", "t1ce", "t2", "flair")
LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}
REGIONS = {"WT": ("necrotic", "edema", "enhancing"), "TC": ("necrotic", "enhancing"), "ET": ("enhancing",)}
ENHANCING, ENHANCING_SINCE_2023 = 4, 3
CITATION = (
    "BraTS, Menze 2015, doi:10.1109/TMI.2014.2377694; Bakas 2017, doi:10.1038/sdata.2017.117; "
    "Baid 2021, arXiv:2107.02314 (terms of the challenge; citation required)"
)


def brats_contents(scans: RawScans[Any], source: str, citation: str = CITATION) -> Contents:
    """Three labels on four sequences."""
    return Contents(
        task=only(scans.task, OFFERED, source), channels=CHANNELS, labels=LABELS, regions=REGIONS, citation=citation
    )


def brats_preprocessing(scans: RawScans[Any], source: str) -> Preprocessing:
    """The whole 240 x 240 slice, each volume and channel on a scale of its own."""
    only(scans.task, OFFERED, source)
    return Preprocessing(image_size=240, crop_head=False, intensity="zscore")


def files_below(root: Path) -> Iterator[Path]:
    """All files at any depth, by folder and name; hidden ones and what a Mac puts into archives are left out."""
    for place, folders, names in os.walk(root, onerror=raise_always):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def label_map(values: NDArray[Any], name: str, four_is_enhancing: bool = True) -> NDArray[np.uint8]:
    """(...) uint8 in our labels; enhancing tumor may be 4, or 3 as it is since 2023.

    Args:
        values: of any type, as the file holds them.
        name: how errors name the file.
        four_is_enhancing: false for files named as since 2023, where 4 is something else.

    Raises:
        UnreadableError: another value than these, or both 3 and 4.
    """
    labels, counts = count_labels(values, ENHANCING, name)
    if counts[ENHANCING] and counts[ENHANCING_SINCE_2023]:
        raise UnreadableError(f"{name}: the mask holds both 3 and 4; wanted 4 (or, since 2023, 3) for enhancing tumor.")
    if counts[ENHANCING] and not four_is_enhancing:
        raise UnreadableError(
            f"{name}: the mask holds 4, which in files named so is no enhancing tumor (that is 3): since 2024 it is "
            "a resection cavity, in children edema. Leave the case out, or map its labels first."
        )
    if counts[ENHANCING_SINCE_2023]:
        labels[labels == ENHANCING_SINCE_2023] = ENHANCING
    return labels


def count_labels(values: NDArray[Any], highest: int, name: str) -> tuple[NDArray[np.uint8], list[int]]:
    """A copy as uint8, and how many of each label from 1 on it has (its first entry is 0).

    Raises:
        UnreadableError: anything but whole numbers from 0 to the highest.
    """
    with np.errstate(invalid="ignore"):
        labels = values.astype(np.uint8, order="C")
    counts = [0, *(int(np.count_nonzero(labels == label)) for label in range(1, highest + 1))]
    # uint8 wraps around: 257 must not pass as 1.
    is_same = values.dtype == np.uint8 or np.array_equal(labels, values)
    if not is_same or np.count_nonzero(labels) != sum(counts):
        strange = sorted(set(np.unique(values).tolist()) - set(range(highest + 1)))
        raise UnreadableError(f"{name}: the mask holds {strange[0]!r}; wanted whole numbers from 0 to {highest}.")
    return labels, counts


def clinical_of(scans: RawScans[Any], files: Iterable[Path], patients: Collection[str]) -> ClinicalTable:
    """What the survival tables among the files say of the patients that have scans here."""
    paths = [path for path in files if path.name.lower() in TABLE_NAMES]
    safe = [path for path in paths if inside(scans.root, path)]
    table = read_clinical([(path, scans.name(path)) for path in safe])
    remarks = [
        Refused(source=scans.name(path), reason="not used: a link that leads out of the folder")
        for path in paths
        if path not in safe
    ]
    known = {patient: told for patient, told in table.patients.items() if patient in patients}
    num_unknown = len(table.patients) - len(known)
    if num_unknown:
        reason = f"{num_unknown} of {len(table.patients)} patients in it have no scans here, and are not used"
        remarks.append(Refused(source=scans.name(safe[0]), reason=reason))
    return ClinicalTable(known, [*table.remarks, *remarks])
