"""The patients whose survival is known: from a table of BraTS, or from the data set that they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioray.data.clinical import ClinicalTable, read_clinical
from glioray.data.records import Clinical, Refused
from glioray.errors import DataError

FEWEST_DEATHS = 20
"""below which five folds in five folds have too few of them to choose a model by"""
FEWEST_DAYS = 1.0
"""a day of death on the day of operation is counted as one, for its logarithm"""
TOLD = 3


@dataclass(frozen=True)
class Patient:
    """`days` are to death, or where the patient had not died, to the last that was heard."""

    patient_id: str
    age_years: float
    days: float
    has_died: bool
    resection: str | None


@dataclass(frozen=True)
class Cohort:
    """Patients by id, and what was not used of whom."""

    patients: tuple[Patient, ...]
    remarks: tuple[Refused, ...]

    @property
    def days(self) -> NDArray[np.float64]:
        """(N,)"""
        return np.array([patient.days for patient in self.patients])

    @property
    def has_died(self) -> NDArray[np.bool_]:
        """(N,)"""
        return np.array([patient.has_died for patient in self.patients], dtype=bool)

    @property
    def is_gtr(self) -> NDArray[np.bool_]:
        """(N,) of whom all that enhances was resected: those that BraTS scores."""
        return np.array([patient.resection == "GTR" for patient in self.patients], dtype=bool)

    def only(self, patients: Sequence[str], reason: str) -> Cohort:
        """Those of these names; one remark on the others."""
        known = set(patients)
        others = [patient.patient_id for patient in self.patients if patient.patient_id not in known]
        remarks = (Refused(source=_some(others), reason=reason),) if others else ()
        kept = tuple(patient for patient in self.patients if patient.patient_id in known)
        return Cohort(kept, (*self.remarks, *remarks))


def read_table(path: Path) -> ClinicalTable:
    """A CSV of BraTS under any of its headers; a patient on two lines that differ is left out.

    Raises:
        DataError: it cannot be read, or names no patient.
    """
    table = read_clinical([(path, path.name)])
    if not table.patients:
        first = table.remarks[0].reason if table.remarks else "it has no line after the first"
        raise DataError(
            f"{path}: no patient in it ({first}). Wanted: a CSV such as BraTS' survival_info.csv, "
            "Brats20ID,Age,Survival_days,Extent_of_Resection"
        )
    return table


def cohort(clinical: Mapping[str, Clinical], remarks: Sequence[Refused]) -> Cohort:
    """All with an age and a time, sorted by id.

    Raises:
        DataError: of fewer than 20 the death is known.
    """
    patients, no_time, no_age = [], [], []
    for patient_id, told in sorted(clinical.items()):
        days = told.alive_days if told.survival_days is None else told.survival_days
        if days is None:
            no_time.append(patient_id)
        elif told.age_years is None:
            no_age.append(patient_id)
        else:
            has_died = told.survival_days is not None
            patients.append(Patient(patient_id, told.age_years, max(days, FEWEST_DAYS), has_died, told.resection))
    found = [*remarks]
    found += [Refused(source=_some(no_time), reason="left out: no survival that can be used")] if no_time else []
    found += [Refused(source=_some(no_age), reason="left out: no age that can be used")] if no_age else []
    return require_enough(Cohort(tuple(patients), tuple(found)))


def require_enough(found: Cohort) -> Cohort:
    """The same.

    Raises:
        DataError: of fewer than 20 the death is known.
    """
    num_died = int(found.has_died.sum())
    if num_died < FEWEST_DEATHS:
        why = "".join(f" {remark.source}: {remark.reason}." for remark in found.remarks[-2:])
        raise DataError(
            f"survival is learned from {FEWEST_DEATHS} patients with age and day of death at least; found "
            f"{num_died}, of {len(found.patients)} patients.{why} Give a table or scans of more"
        )
    return found


def _some(patients: Sequence[str]) -> str:
    count = f"{len(patients)} patients" if len(patients) > 1 else "1 patient"
    more = ", ..." if len(patients) > TOLD else ""
    return f"{count} ({', '.join(patients[:TOLD])}{more})"
