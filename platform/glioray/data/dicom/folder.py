"""Which files of a folder are DICOM, whatever their names."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from glioray.data.machine_errors import raise_always, raise_if_of_machine
from glioray.data.scan_file import ScanFile

MAGIC_OFFSET, MAGIC = 128, b"DICM"
FOREIGN_FOLDERS = ("__MACOSX",)


def dicom_files(root: Path) -> tuple[list[Path], dict[str, int]]:
    """All DICOM files under a folder, sorted, and how many others were skipped, by what they are.

    Links to folders are not followed.

    Raises:
        OSError: a folder cannot be listed or a file not be read, which may be of a study.
    """
    found: list[Path] = []
    skipped: Counter[str] = Counter()
    for parent, folders, names in os.walk(root, onerror=raise_always):
        hidden = [name for name in folders if _is_hidden(name)]
        skipped["hidden"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        for name in names:
            path = Path(parent, name)
            kind = _kind(path)
            if kind is None:
                found.append(path)
            else:
                skipped[kind] += 1
    return sorted(found), {kind: count for kind, count in skipped.items() if count}


def is_dicom(file: ScanFile) -> bool:
    """Whether a file holds DICOM that can show an image: by content, and neither hidden nor a DICOMDIR."""
    return _kind(file) is None


def _kind(file: ScanFile) -> str | None:
    """What a file is if it is no DICOM image."""
    if _is_hidden(file.name):
        return "hidden"
    if file.name.upper().split(".")[0] == "DICOMDIR":
        return "DICOMDIR"
    try:
        with file.open("rb") as opened:
            head = opened.read(MAGIC_OFFSET + len(MAGIC))
    except OSError as error:
        raise_if_of_machine(error)  # it may be a slice
        return "not readable"
    return None if head[MAGIC_OFFSET:] == MAGIC else "not DICOM"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in FOREIGN_FOLDERS
