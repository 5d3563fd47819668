"""Age, survival and resection of patients, from the tables that come with BraTS.

    Brats20ID,Age,Survival_days,Extent_of_Resection      (2020)
    BraTS19ID,Age,Survival,ResectionStatus               (2018, 2019)

What a line does not say, or does not say clearly, is left out of it and remarked on; other lines are unharmed.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glioray.data.records import Clinical, Refused

TABLE_NAMES = ("survival_info.csv", "survival_data.csv")
MOST_BYTES = 2**25  # the list of all slices of BraTS 2020 has 7 MB
MOST_AGE_YEARS = 130
MOST_SURVIVAL_DAYS = 50_000
RESECTIONS = ("GTR", "STR")
NOT_SAID = ("", "NA", "N/A", "NAN", "NONE")
ALIVE = re.compile(r"alive\s*\(\s*(?P<days>\d+)\s*days? later\s*\)", re.IGNORECASE)
PATIENT = re.compile(r"brats_?\d*_?(subject_?)?id|patient_?(id)?")
COLUMNS = {
    "age": ("age",),
    "survival": ("survival_days", "survival"),
    "resection": ("extent_of_resection", "resectionstatus", "resection_status"),
}


@dataclass(frozen=True)
class ClinicalTable:
    """What tables say of each patient, and what in them is not used."""

    patients: dict[str, Clinical]
    remarks: list[Refused]


@dataclass(frozen=True)
class _Line:
    place: str  # <file>, line <n>
    patient: str
    values: dict[str, str]


def read_clinical(tables: Iterable[tuple[Path, str]]) -> ClinicalTable:
    """All tables as one; a patient on two lines that differ is left out.

    Args:
        tables: each file, and how remarks name it.
    """
    remarks: list[Refused] = []
    lines: dict[str, list[_Line]] = {}
    for path, name in tables:
        for line in _lines(path, name, remarks):
            lines.setdefault(line.patient, []).append(line)
    patients = {}
    for patient, told in lines.items():
        if _is_clear(told, remarks):
            patients[patient] = _clinical(told[0], remarks)
    _remark_on_resection(lines, remarks)
    return ClinicalTable(patients, remarks)


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns in lower case, and each further line that is not empty with its number.

    Raises:
        ValueError: no CSV, or one of more than 32 MB.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig", errors="replace"), newline=""))
    try:
        rows = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    filled = [(number, row) for number, row in rows if any(row)]
    if not filled:
        raise ValueError("it is empty")
    return [field.lower() for field in filled[0][1]], filled[1:]


def _lines(path: Path, name: str, remarks: list[Refused]) -> Iterator[_Line]:
    try:
        columns, rows = read_csv(path)
    except (OSError, ValueError) as error:
        remarks.append(Refused(source=name, reason=f"not used: not a readable table ({error})"))
        return
    patient_column = next((index for index, column in enumerate(columns) if PATIENT.fullmatch(column)), None)
    if patient_column is None:
        found = ", ".join(repr(column) for column in columns)
        remarks.append(Refused(source=name, reason=f"not used: no column of patients such as 'Brats20ID' in {found}"))
        return
    places = {
        what: next((columns.index(spelling) for spelling in spellings if spelling in columns), None)
        for what, spellings in COLUMNS.items()
    }
    for number, row in rows:
        place = f"{name}, line {number}"
        if len(row) != len(columns) or not row[patient_column]:
            remarks.append(Refused(source=place, reason=f"not used: {_malformed(row, columns)}"))
            continue
        values = {what: row[index] for what, index in places.items() if index is not None}
        yield _Line(place, row[patient_column], values)


def _malformed(row: Sequence[str], columns: Sequence[str]) -> str:
    if len(row) != len(columns):
        return f"{len(row)} fields, where the first line has {len(columns)}"
    return "it names no patient"


def _is_clear(told: Sequence[_Line], remarks: list[Refused]) -> bool:
    """Whether all lines of a patient say the same; remarks on those that are not used."""
    first, *others = told
    agree = all(line.values == first.values for line in others)
    for line in others:
        reason = f"patient {first.patient!r} is on {first.place.rpartition(', ')[2]} of {_table(first)} too"
        outcome = "it says the same, and is not used" if agree else "they differ, and neither is used"
        remarks.append(Refused(source=line.place, reason=f"{reason}: {outcome}"))
    return agree


def _table(line: _Line) -> str:
    return line.place.rpartition(", ")[0]


def _clinical(line: _Line, remarks: list[Refused]) -> Clinical:
    return Clinical(
        age_years=_age(line, remarks),
        survival_days=_survival(line, remarks),
        alive_days=_alive(line),
        resection=_resection(line, remarks),
    )


def _age(line: _Line, remarks: list[Refused]) -> float | None:
    text = line.values.get("age")
    if text is None:
        return None
    age_years = _number(text)
    if age_years is None or not 0 < age_years <= MOST_AGE_YEARS:
        _remark(line, remarks, f"age {text!r} is left out; wanted years, at most {MOST_AGE_YEARS}")
        return None
    return age_years


def _survival(line: _Line, remarks: list[Refused]) -> int | None:
    text = line.values.get("survival")
    if text is None:
        return None
    if "alive" in text.lower():
        alive_days = _alive(line)
        taken = "is left out" if alive_days is None else f"is taken as alive after {alive_days} days"
        _remark(line, remarks, f"survival {text!r} {taken}: the patient lived, so it is no time to death")
        return None
    days = _number(text)
    if days is None or not 0 <= days <= MOST_SURVIVAL_DAYS or not days.is_integer():
        _remark(line, remarks, f"survival {text!r} is left out; wanted whole days, at most {MOST_SURVIVAL_DAYS}")
        return None
    return int(days)


def _alive(line: _Line) -> int | None:
    """Days after which the patient was known to live."""
    said = ALIVE.fullmatch(line.values.get("survival", ""))
    return int(said["days"]) if said and int(said["days"]) <= MOST_SURVIVAL_DAYS else None


def _resection(line: _Line, remarks: list[Refused]) -> str | None:
    text = line.values.get("resection", "").upper()
    if text in RESECTIONS:
        return text
    if text not in NOT_SAID:
        _remark(line, remarks, f"resection {text!r} is left out; wanted {' or '.join(RESECTIONS)}")
    return None


def _remark_on_resection(lines: dict[str, list[_Line]], remarks: list[Refused]) -> None:
    """One for all: BraTS gives it for about half of the patients."""
    told = [first for first, *_ in lines.values() if "resection" in first.values]
    unsaid = [line for line in told if line.values["resection"].upper() in NOT_SAID]
    if unsaid:
        reason = f"no extent of resection for {len(unsaid)} of {len(told)} patients"
        remarks.append(Refused(source=_table(unsaid[0]), reason=reason))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _remark(line: _Line, remarks: list[Refused], reason: str) -> None:
    remarks.append(Refused(source=line.place, reason=f"patient {line.patient!r}: {reason}"))
