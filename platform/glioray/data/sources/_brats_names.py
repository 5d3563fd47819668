"""Which files of a folder belong to which case of BraTS, by their names alone.

<case>_{flair,t1,t1ce,t2,seg}.nii[.gz]      2018-2021
<case>-{t1n,t1c,t2w,t2f,seg}.nii[.gz]       since 2023
<case>/{flair,t1,t1ce,t2,seg}.nii[.gz]      2017 and before
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glioray.data.records import Case, Found, Refused
from glioray.data.sequence_names import SPELLINGS as SPELLINGS_OF_IMAGES
from glioray.data.sources._brats import CHANNELS
from glioray.data.sources._contract import RawScans

MASK = "seg"
SPELLINGS = {**SPELLINGS_OF_IMAGES, MASK: ("seg", "segm")}
SEQUENCES = {spelling: sequence for sequence, spellings in SPELLINGS.items() for spelling in spellings}
NIFTI_NAME = re.compile(r"(?P<stem>.+)\.nii(\.gz)?", re.IGNORECASE)
STEM = re.compile(rf"((?P<case>.+)[_-])?(?P<sequence>{'|'.join(SEQUENCES)})", re.IGNORECASE)
# Since 2023 a name ends in the number of the scan: the same patient comes back after treatment.
SCAN_OF_PATIENT = re.compile(r"(?P<patient>BraTS-[A-Za-z]+-\d+)-\d{3}")


@dataclass
class _Group:
    """Files in one folder whose names begin alike; a sequence may wrongly have two."""

    folder: Path
    case_id: str
    files: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def is_lone_mask(self) -> bool:
        return set(self.files) == {MASK}

    def place(self, scans: RawScans[Any]) -> str:
        return case_place(scans, self.folder, self.case_id)


def group_files(scans: RawScans[Any], files: Iterable[Path]) -> Found:
    """All cases among the files, each of the channels in their order and the mask; an incomplete one is refused."""
    found = Found([])
    groups: dict[tuple[Path, str], _Group] = {}
    strays = []
    for path in files:
        if (name := NIFTI_NAME.fullmatch(path.name)) is None:
            continue
        parts = STEM.fullmatch(name["stem"])
        if parts is None:
            strays.append(path)
            continue
        case_id = parts["case"] or path.parent.name
        group = groups.setdefault((path.parent, case_id), _Group(path.parent, case_id))
        group.files.setdefault(SEQUENCES[parts["sequence"].lower()], []).append(path)
    _remark_on_strays(scans, strays, found)
    seen: dict[str, _Group] = {}
    for group in _with_misnamed_masks(scans, list(groups.values()), found):
        _add(scans, group, seen, found)
    return found


def patient_of(case_id: str) -> str:
    """A case's patient: the case itself, except where names count the scans of a patient."""
    match = SCAN_OF_PATIENT.fullmatch(case_id)
    return match["patient"] if match else case_id


def case_place(scans: RawScans[Any], folder: Path, case_id: str) -> str:
    """A case's folder, and its name where the folder is not named for it: how errors and rows name it."""
    is_own = folder != scans.root and folder.name == case_id
    return scans.name(folder if is_own else folder / case_id)


def _with_misnamed_masks(scans: RawScans[Any], groups: list[_Group], found: Found) -> list[_Group]:
    """Gives a mask of another name to the one case of its folder that has none.

    BraTS20_Training_355 is such a case: its mask is W39_1998.09.19_Segm.nii.
    """
    by_folder: dict[Path, list[_Group]] = {}
    for group in groups:
        by_folder.setdefault(group.folder, []).append(group)
    for pair in by_folder.values():
        lone = [group for group in pair if group.is_lone_mask]
        others = [group for group in pair if not group.is_lone_mask]
        if len(lone) == len(others) == 1 and MASK not in others[0].files:
            others[0].files[MASK] = lone[0].files[MASK]
            reason = f"taken for the mask of {others[0].case_id!r}, the only case in its folder, which has no other"
            found.remarks.append(Refused(source=scans.name(lone[0].files[MASK][0]), reason=reason))
            groups.remove(lone[0])
    return groups


def _add(scans: RawScans[Any], group: _Group, seen: dict[str, _Group], found: Found) -> None:
    reason = _what_is_wrong(group)
    if reason is None and group.case_id in seen:
        reason = f"a case of this name is in {seen[group.case_id].place(scans)!r} already; remove one of them"
    if reason is not None:
        found.refused.append(Refused(source=group.place(scans), reason=reason))
        return
    seen[group.case_id] = group
    files = tuple(group.files[sequence][0] for sequence in (*CHANNELS, MASK))
    found.cases.append(Case(group.case_id, files, patient_id=patient_of(group.case_id)))


def _what_is_wrong(group: _Group) -> str | None:
    for sequence, paths in group.files.items():
        if len(paths) > 1:
            names = " and ".join(repr(path.name) for path in paths)
            return f"two files for {sequence}: {names}; remove one of them"
    missing = [sequence for sequence in CHANNELS if sequence not in group.files]
    if missing:
        return f"missing: {_named(missing)}; wanted {', '.join(CHANNELS)} and {MASK}, found {_named(group.files)}"
    if MASK not in group.files:
        return f"no mask ({MASK}), as in a validation set: nothing can be learned from it. Give the training part"
    return None


def _named(sequences: Iterable[str]) -> str:
    return ", ".join(sorted(sequences, key=list(SPELLINGS).index))


def _remark_on_strays(scans: RawScans[Any], strays: Sequence[Path], found: Found) -> None:
    """One remark for all: some sets come with dozens of further sequences a patient."""
    if strays:
        others = f", and {len(strays) - 1} more files," if len(strays) > 1 else ""
        reason = f"not used{others} since the name ends in none of {', '.join(SEQUENCES)}"
        found.remarks.append(Refused(source=scans.name(strays[0]), reason=reason))
