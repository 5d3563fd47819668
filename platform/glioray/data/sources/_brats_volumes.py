"""Which slices of the HDF5 edition of BraTS make up which volume, by names and by its tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from glioray.data.archive import inside
from glioray.data.clinical import PATIENT, read_csv
from glioray.data.machine_errors import raise_if_of_machine
from glioray.data.records import Case, Found, Refused
from glioray.data.sources._contract import RawScans
from glioray.errors import DataError

SLICE_NAME = re.compile(r"volume_(?P<volume>\d{1,6})_slice_(?P<slice>\d{1,6})\.h5")
TABLE_NAME = "meta_data.csv"
MOST_NAMED = 5


def group_slices(scans: RawScans[Any], files: Sequence[Path], mapping: str | None) -> Found:
    """Volumes in the order of their numbers; one that is not whole by `meta_data.csv` is refused.

    Raises:
        DataError: the mapping that was asked for cannot be used.
    """
    volumes = _volumes(files)
    listed, remarks = _listed(scans, files)
    patients = None if mapping is None else _read_mapping(scans, mapping)
    cases, refused = [], []
    for volume, paths in sorted(volumes.items()):
        paths.sort(key=slice_number)
        case_id = f"volume_{volume}"
        reason = _what_is_wrong(scans, paths, listed.get(volume, set()))
        patient_id: str | None = case_id
        if patients is not None and reason is None:
            patient_id = patients.get(volume)
            reason = None if patient_id else f"no patient for volume {volume} in {mapping!r}; add a line there"
        if reason is not None:
            refused.append(Refused(source=scans.name(paths[0].parent / case_id), reason=reason))
            continue
        cases.append(Case(case_id, tuple(paths), patient_id=patient_id))
        remarks += _gaps(scans.name(paths[0].parent / case_id), paths)
    if absent := sorted(set(listed) - set(volumes)) if volumes else []:
        reason = f"{len(absent)} volumes in it are not here, and are not used: {_some(absent)}"
        remarks.append(Refused(source=TABLE_NAME, reason=reason))
    return Found(cases, refused, remarks)


def slice_number(path: Path) -> int:
    """The z of a slice in its volume."""
    return _numbers(path)[1]


def _numbers(path: Path) -> tuple[int, int]:
    match = SLICE_NAME.fullmatch(path.name)
    assert match is not None
    return int(match["volume"]), int(match["slice"])


def _volumes(files: Iterable[Path]) -> dict[int, list[Path]]:
    volumes: dict[int, list[Path]] = {}
    for path in files:
        if SLICE_NAME.fullmatch(path.name):
            volumes.setdefault(_numbers(path)[0], []).append(path)
    return volumes


def _what_is_wrong(scans: RawScans[Any], paths: Sequence[Path], listed: set[int]) -> str | None:
    """A slice twice, or one that the edition's own table has: scores by patient would be of a part."""
    numbers = [slice_number(path) for path in paths]
    for first, second in itertools.pairwise(paths):
        if slice_number(first) == slice_number(second):
            return (
                f"slice {slice_number(first)} is there twice, {scans.name(first)} and {scans.name(second)}; remove one"
            )
    if missing := sorted(listed - set(numbers)):
        return (
            f"{TABLE_NAME} lists {len(listed)} slices, of which {len(missing)} are not here: {_some(missing)}. "
            f"Fetch them again, or remove {TABLE_NAME} to work with the slices that there are"
        )
    return None


def _gaps(name: str, paths: Sequence[Path]) -> list[Refused]:
    """Slices keep their numbers, so a gap stops nobody; but volumes in ml are of what is there."""
    numbers = [slice_number(path) for path in paths]
    missing = sorted(set(range(numbers[-1] + 1)) - set(numbers))
    if not missing:
        return []
    reason = (
        f"{len(numbers)} slices from {numbers[0]} to {numbers[-1]}, {len(missing)} below the last are not here: "
        f"{_some(missing)}. It is used with the slices that there are, under their numbers; what is measured over the "
        "whole volume, as ml and distances, is of these alone"
    )
    return [Refused(source=name, reason=reason)]


def _listed(scans: RawScans[Any], files: Iterable[Path]) -> tuple[dict[int, set[int]], list[Refused]]:
    """Slices of each volume by the edition's tables, and remarks on what in them cannot be used."""
    listed: dict[int, set[int]] = {}
    remarks = []
    for path in files:
        if path.name != TABLE_NAME:
            continue
        try:
            for volume, slice_ in _integers(scans, path, ("volume", "slice")):
                listed.setdefault(volume, set()).add(slice_)
        except (OSError, ValueError) as error:
            raise_if_of_machine(error)
            remarks.append(Refused(source=scans.name(path), reason=f"not used to check the slices: {error}"))
    return listed, remarks


def _integers(scans: RawScans[Any], path: Path, wanted: Sequence[str]) -> list[tuple[int, ...]]:
    if not inside(scans.root, path):
        raise ValueError("it is a link that leads out of the folder")
    columns, rows = read_csv(path)
    places = [_column(columns, name) for name in wanted]
    return [tuple(_integer(row, place, number) for place in places) for number, row in rows]


def _column(columns: Sequence[str], name: str) -> int:
    if name not in columns:
        raise ValueError(f"it has no column {name!r}; found {', '.join(columns)}")
    return columns.index(name)


def _integer(row: Sequence[str], place: int, number: int) -> int:
    text = row[place] if place < len(row) else ""
    if not re.fullmatch(r"\d{1,6}(\.0)?", text):
        raise ValueError(f"line {number} has {text!r} where a whole number was wanted")
    return int(float(text))


def _read_mapping(scans: RawScans[Any], mapping: str) -> dict[int, str]:
    """Patient by volume.

    Raises:
        DataError: it is not there, has no such columns, or gives a volume two patients.
    """
    path = scans.root / mapping
    try:
        if ".." in PurePosixPath(mapping).parts or not inside(scans.root, path):
            raise ValueError("it lies outside the folder")
        columns, rows = read_csv(path)
        volume_place = _column(columns, "volume")
        patient_place = next((i for i, column in enumerate(columns) if PATIENT.fullmatch(column)), None)
        if patient_place is None:
            raise ValueError(f"it has no column 'patient'; found {', '.join(columns)}")
        patients: dict[int, str] = {}
        for number, row in rows:
            volume = _integer(row, volume_place, number)
            patient = row[patient_place] if patient_place < len(row) else ""
            if patients.setdefault(volume, patient) != patient:
                raise ValueError(f"line {number} gives volume {volume} a second patient")
    except (OSError, ValueError) as error:
        raise DataError(f"option mapping={mapping!r}: {path} cannot be used: {error}") from None
    return patients


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:MOST_NAMED])
    return f"{shown} and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else shown
