"""From patients and masks to `survival.html`, `survival.json`, `features.csv` and `predictions.csv`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.data.folder import atomic_folder, check_output
from glioray.data.manifest import FILE_NAME as MANIFEST
from glioray.data.progress import OnProgress
from glioray.data.records import Refused
from glioray.errors import DataError, ModelError
from glioray.registry.bundle import ModelBundle
from glioray.survival import prepared, raw
from glioray.survival.features import Parts, measure
from glioray.survival.honest import HonestModels
from glioray.survival.lines import Cases, Features, Line, predict_lines
from glioray.survival.models import CANDIDATES
from glioray.survival.nested import Makers
from glioray.survival.page import FILE_NAME as PAGE
from glioray.survival.page import write_page
from glioray.survival.patients import Cohort, cohort, read_table, require_enough
from glioray.survival.result import FEWEST_SCORED, SurvivalReport
from glioray.survival.result import FILE_NAME as RESULT
from glioray.survival.scans import Scans
from glioray.survival.scores import CLASSES, classes

FEATURES, PREDICTIONS = "features.csv", "predictions.csv"
FEWEST_ANSWERED = FEWEST_SCORED
OWN_NAMES = (RESULT, PAGE, FEATURES, PREDICTIONS)


@dataclass(frozen=True)
class Asked:
    """What is learned from: `scans` a folder, prepared or raw, `table` a CSV; one of the two may be missing."""

    scans: Path | None
    table: Path | None
    bundles: tuple[tuple[str, ModelBundle], ...] = ()
    seed: int = 0
    device: str = "cpu"


def survival(asked: Asked, out: Path, show: OnProgress, makers: Makers = CANDIDATES) -> SurvivalReport:
    """Predicts every patient's survival by models that have not seen the patient, and writes OUT whole or not at all.

    Args:
        asked: patients, scans, and models for predicted masks.
        out: new, empty, or written by an earlier call, then replaced.
        show: called with (stage, done, total).
        makers: models that the inner folds choose among.

    Raises:
        DataError: no table; fewer than 20 patients of whom age, day of death and, where scans are given, a mask are
            known; scans that cannot be read; OUT holds something else.
        ModelError: a bundle is of other masks, or all bundles have learned from all patients.
    """
    check_output(out, OWN_NAMES)
    scans = None if asked.scans is None else _opened(asked.scans)
    people, table = _people(asked, scans)
    models = HonestModels()
    if asked.bundles:
        if scans is None:
            raise DataError("a bundle predicts masks, and no scans are given: name their folder before --table")
        models = HonestModels.load(asked.bundles, scans.contents, asked.device)
    cases = _measured(people, scans, models, show)
    lines = predict_lines(cases, asked.seed, show, makers)
    about = {
        "synthetic": scans is not None and scans.contents.synthetic,
        "citation": scans.contents.citation if scans else "as the table's source asks for",
        "scans": None if scans is None else scans.place.name,
        "table": table,
        "bundles": tuple(Path(name).name for name, _ in asked.bundles),
    }
    found = SurvivalReport.of(cases, lines, about, asked.seed)
    with atomic_folder(out) as partial:
        found.save(partial)
        _write_features(cases, partial / FEATURES)
        _write_predictions(cases, lines, partial / PREDICTIONS)
        write_page(found, cases, lines, partial)
    return found


def _opened(place: Path) -> Scans:
    return prepared.opened(place) if (place / MANIFEST).is_file() else raw.opened(place)


def _people(asked: Asked, scans: Scans | None) -> tuple[Cohort, str]:
    """Who is learned from, and the table's name."""
    if asked.table is not None:
        told = read_table(asked.table)
        name, clinical, remarks = asked.table.name, told.patients, list(told.remarks)
        remarks += scans.refused if scans else ()
    elif scans is not None and scans.clinical:
        name, clinical, remarks = "the table beside the scans", scans.clinical, [*scans.refused, *scans.remarks]
    else:
        where = "" if scans is None else f"{scans.place} has no survival table beside its scans. "
        raise DataError(f"{where}Give one, such as BraTS' survival_info.csv: --table CSV")
    people = cohort(clinical, remarks)
    if scans is None:
        return people, name
    people = require_enough(people.only(tuple(scans.patients), "left out: in the table, but no scan of theirs is here"))
    without = sorted(scans.patients - set(clinical))
    if without:
        reason = f"left out: scans of {len(without)} patients without a line in the table, as {without[0]}"
        people = Cohort(people.patients, (*people.remarks, Refused(source=scans.place.name, reason=reason)))
    return people, name


def _measured(people: Cohort, scans: Scans | None, models: HonestModels, show: OnProgress) -> Cases:
    """The features of all masks.

    Raises:
        ModelError: there are bundles, and none may answer for enough patients.
    """
    if scans is None:
        return Cases(people, tuple(patient.patient_id for patient in people.patients))
    parts = Parts.of(scans.contents)
    wanted = {patient.patient_id for patient in people.patients}
    groups: dict[str, str] = {}
    true: dict[str, Features] = {}
    predicted: dict[str, Features | None] = {}
    for one in scans.masks(scans.place, wanted, models, show):
        groups[one.patient_id] = one.group_id
        true[one.patient_id] = measure(one.true, one.spacing_mm, one.brain, parts)
        predicted[one.patient_id] = (
            None if one.predicted is None else measure(one.predicted, one.spacing_mm, one.brain, parts)
        )
    people = require_enough(people.only(tuple(true), "left out: their scan could not be read"))
    ids = [patient.patient_id for patient in people.patients]
    cases = Cases(people, *(tuple(by[one] for one in ids) for by in (groups, true, predicted)))  # type: ignore[arg-type]
    _require_answers(cases, models)
    return cases


def _require_answers(cases: Cases, models: HonestModels) -> None:
    num_answered = sum(found is not None for found in cases.predicted)
    num_scored = int((cases.is_tested & cases.cohort.has_died).sum())
    if models.named and (not num_answered or num_scored < FEWEST_ANSWERED):
        raise ModelError(
            f"{', '.join(name for name, _ in models.named)}: may answer for {num_answered} of {len(cases.groups)} "
            f"patients, since the others' scans were among those that each learned from; at least {FEWEST_ANSWERED} "
            "who died are wanted. Give the models of all folds, or scans that none has seen"
        )


def _write_features(cases: Cases, path: Path) -> None:
    """A row a patient and kind of mask: `true`, `predicted`, or `none` where there are no scans."""
    names = list(cases.true[0]) if cases.true else []
    rows: list[list[Any]] = []
    for index, patient in enumerate(cases.cohort.patients):
        told = [patient.patient_id, patient.age_years, patient.resection or ""]
        masks = {"true": cases.true[index], "predicted": cases.predicted[index]} if cases.true else {"none": {}}
        rows += [[*told, kind, *(found[name] for name in names)] for kind, found in masks.items() if found is not None]
    _write_csv(path, ["patient_id", "age_years", "resection", "mask", *names], rows)


def _write_predictions(cases: Cases, lines: Sequence[Line], path: Path) -> None:
    """A row a patient: what is true, and the days that each line predicts."""
    rows: list[list[Any]] = []
    kinds = classes(cases.cohort.days)
    for index, patient in enumerate(cases.cohort.patients):
        kind = CLASSES[kinds[index]] if patient.has_died else ""
        told = [patient.patient_id, cases.groups[index], patient.resection or "", patient.days, int(patient.has_died)]
        days = ["" if one.days[index] != one.days[index] else round(float(one.days[index]), 1) for one in lines]
        rows.append([*told, kind, int(cases.is_tested[index]), *days])
    names = [f"predicted_days/{one.name}" for one in lines]
    _write_csv(path, ["patient_id", "group_id", "resection", "days", "has_died", "class", "is_scored", *names], rows)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
