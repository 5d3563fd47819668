"""A CSV that says which patient an image is of.

A line names its image by the path below the root, by the end of that path, or by the file's name alone, as
long as that is one image and no more.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from glioray.data.records import Refused
from glioray.data.sources._spelling import is_in, key
from glioray.errors import DataError

FILE_COLUMNS = ("file", "file name", "file path", "path", "image", "image name", "image path", "image file", "image id")
PATIENT_COLUMNS = ("patient", "patient id", "patient name", "subject", "subject id", "pid", "case", "case id")


@dataclass
class PatientTable:
    """The patient of each image, by its path below the root; none where the table leaves the cell empty."""

    patients: dict[str, str | None] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    remarks: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class _Line:
    number: int
    file: str
    patient: str | None


def read_patients(path: Path, images: Sequence[str]) -> PatientTable:
    """What a table says of images.

    An image that it does not name, or of which it says two things, is refused; a line for no image is a remark.

    Raises:
        DataError: it cannot be read, is not UTF-8, lacks a column, or none of its lines names an image.
    """
    lines = _lines(path)
    named = _images_by_end(images)
    table, said = PatientTable(), defaultdict[str, list[_Line]](list)
    for line in lines:
        found = named.get(line.file, [])
        if len(found) == 1:
            said[found[0]].append(line)
        elif found:
            reason = f"is {len(found)} images: {found[0]!r}, {found[1]!r}; give the path below the root"
            table.remarks.append(Refused(source=f"{path.name} line {line.number}", reason=f"{line.file!r} {reason}"))
        else:
            reason = f"{line.file!r}: no such image is there"
            table.remarks.append(Refused(source=f"{path.name} line {line.number}", reason=reason))
    if not said:
        raise DataError(
            f"{path}: none of its {len(lines)} lines names an image"
            + (f"; the first says {lines[0].file!r}, an image here is {images[0]!r}." if lines and images else ".")
        )
    for image in images:
        _decide(table, image, said[image], path.name)
    return table


def _lines(path: Path) -> list[_Line]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: the table of patients cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path} line {line}: is not UTF-8. Save it as CSV UTF-8.") from None
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: is no CSV ({error}).") from None
    columns = rows[0][1] if rows else []
    file = _column(path, columns, FILE_COLUMNS, "of the file")
    patient = _column(path, columns, PATIENT_COLUMNS, "of the patient")
    for number, row in rows[1:]:
        if len(row) <= max(file, patient):
            raise DataError(f"{path} line {number}: {len(row)} cells; wanted {len(columns)}, as in its first line.")
    return [_Line(number, _posix(row[file]), row[patient] or None) for number, row in rows[1:]]


def _column(path: Path, columns: Sequence[str], names: Iterable[str], what: str) -> int:
    for name in names:
        if is_in(name, columns):
            return [key(column) for column in columns].index(key(name))
    found = ", ".join(map(repr, columns)) or "nothing"
    raise DataError(f"{path}: no column {what}; wanted one of: {', '.join(names)}; found {found}.")


def _posix(file: str) -> str:
    return PurePosixPath(file.replace("\\", "/")).as_posix()


def _images_by_end(images: Iterable[str]) -> dict[str, list[str]]:
    """Every end of every path; a whole path is that image alone, though another's may end so."""
    named = defaultdict(list)
    for image in images:
        parts = PurePosixPath(image).parts
        for start in range(len(parts)):
            named["/".join(parts[start:])].append(image)
    return {**named, **{image: [image] for image in images}}


def _decide(table: PatientTable, image: str, lines: Sequence[_Line], name: str) -> None:
    patients = {line.patient for line in lines}
    if len(patients) == 1:
        table.patients[image] = patients.pop()
    elif patients:
        said = " and ".join(f"{line.patient!r} on line {line.number}" for line in lines)
        table.refused.append(Refused(source=image, reason=f"{name} says two patients of it: {said}"))
    else:
        reason = (
            f"no line of {name} names it alone; where its patient is not known, leave the cell of the patient empty"
        )
        table.refused.append(Refused(source=image, reason=reason))
