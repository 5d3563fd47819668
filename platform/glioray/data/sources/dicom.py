"""DICOM studies of any layout, with the tumor as a series of masks or a segmentation object.

    ROOT/**/<any name>      MR series; told apart by SeriesInstanceUID and named by their description

BRAINIX, for one: ROOT/{FLAIR,T1,T2,ROI}. One case a study; its patient is its PatientID, or else its topmost folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from glioray.data.dicom.geometry import Grid
from glioray.data.dicom.masks import read_label_map
from glioray.data.dicom.patients import patients_of, study_folder, tell_patients_by_folder
from glioray.data.dicom.sequences import CHANNELS, DEFAULT_MASK, DEFAULT_PATTERNS, Sorted, sort_series
from glioray.data.dicom.series import Series, Survey, find_series
from glioray.data.dicom.study import Plan, by_study, plan_study, read_channels, refuse_unreadable
from glioray.data.dicom.volume import axial_grid
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume, Refused, TaskName
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.errors import DataError, UnreadableError, did_you_mean

OFFERED: tuple[TaskName, ...] = ("segmentation",)
CITATION = "DICOM studies given by the user; their terms are those of whoever gave them"
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Options(SourceOptions):
    """What the series are called, and what may differ between them."""

    sequences: Annotated[tuple[Name, ...], BeforeValidator(_as_list), Field(max_length=16)] | dict[Name, str] = Field(
        (),
        description="channels in order; empty: every one of t1, t1ce, t2, flair that is found. "
        "With patterns of their descriptions: {flair: 'FLAIR', t2: 'T2W'}",
    )
    mask: str = Field(
        DEFAULT_MASK, min_length=1, max_length=200, description="pattern of the mask's description or folder"
    )
    label: Annotated[tuple[Name, ...], BeforeValidator(_as_list), Field(min_length=1, max_length=16)] = Field(
        ("tumor",), description="names of the mask's values 1, 2, ...; of a segmentation object, of its segments"
    )
    allow_gaps: bool = Field(False, description="take series in which slices are missing")
    resample: bool = Field(True, description="bring sequences of another grid onto the mask's; false refuses them")

    @field_validator("sequences", mode="after")
    @classmethod
    def _known(cls, value: tuple[str, ...] | dict[str, str]) -> tuple[str, ...] | dict[str, str]:
        unknown = [name for name in value if isinstance(value, tuple) and name not in DEFAULT_PATTERNS]
        if unknown:
            raise ValueError(
                f"no pattern is known for {unknown[0]!r}{did_you_mean(unknown[0], CHANNELS)}; "
                f"or give one: {{{unknown[0]}: PATTERN}}"
            )
        return value

    @field_validator("sequences", "mask", mode="after")
    @classmethod
    def _patterns(cls, value: object) -> object:
        for pattern in [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else ():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
        return value

    @property
    def patterns(self) -> Mapping[str, str]:
        """The pattern of each sequence that may be a channel."""
        if isinstance(self.sequences, dict) and self.sequences:
            return self.sequences
        return DEFAULT_PATTERNS


def describe(scans: RawScans[Options]) -> Contents:
    """The sequences asked for or found as channels, and the mask's labels."""
    chosen = only(scans.task, OFFERED, "dicom")
    need_folder(scans.root)
    names = tuple(scans.options.sequences) or _names_found(_sorted_studies(_survey(scans), scans), scans)
    labels = {label: number + 1 for number, label in enumerate(scans.options.label)}
    return Contents(task=chosen, channels=names, labels=labels, citation=CITATION)


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """Each volume and channel by its own spread: the units of MR differ from scanner to scanner."""
    only(scans.task, OFFERED, "dicom")
    return Preprocessing(image_size=256, crop_head=False, intensity="zscore")


def find(scans: RawScans[Options]) -> Found:
    """One case a study, by headers alone."""
    only(scans.task, OFFERED, "dicom")
    need_folder(scans.root)
    survey = _survey(scans)
    studies = by_study(survey.series)
    sorted_studies = _sorted_studies(survey, scans)
    names = tuple(scans.options.sequences) or _names_found(sorted_studies, scans)
    found = Found([], remarks=[*_files_left_out(survey), *_patients_by_folder(studies)])
    patients = patients_of(studies)
    for where, patient_id, study, by_sequence in zip(
        _case_ids(studies), patients, studies, sorted_studies, strict=True
    ):
        try:
            plan = _plan(by_sequence, names, scans.options)
            refuse_unreadable(plan, survey)
        except DataError as error:
            found.refused.append(Refused(source=where, reason=str(error)))
            continue
        found.cases.append(_case(scans, where, patient_id, plan))
        found.remarks.extend(_series_left_out(study, plan))
    return found


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """The channels on the grid of the mask, and the mask."""
    plan = _plan_again(scans, case)
    assert plan.mask is not None, "a case is found with its mask"
    image, names = read_channels(plan)
    return RawVolume(
        image=image,
        mask=read_label_map(plan.mask, plan.grid, scans.options.label),
        sources=names,
        slice_indices=_slice_indices(plan.grid),
        spacing_mm=plan.grid.spacing_mm,
    )


def _survey(scans: RawScans[Options]) -> Survey:
    survey = find_series(scans.root, allow_gaps=scans.options.allow_gaps)
    if not survey.series:
        why = [f"{count} files are {kind}" for kind, count in survey.skipped.items()]
        why += [reason for _, reason in survey.unreadable[:1]]
        raise DataError(f"{scans.root}: no DICOM series in it ({'; '.join(why) or 'it is empty'}).")
    return survey


def _sorted_studies(survey: Survey, scans: RawScans[Options]) -> list[Sorted]:
    return [sort_series(study, scans.options.patterns, scans.options.mask) for study in by_study(survey.series)]


def _names_found(studies: Sequence[Sorted], scans: RawScans[Options]) -> tuple[str, ...]:
    names = tuple(name for name in CHANNELS if any(study.usable(name) for study in studies))
    if names:
        return names
    # A study refused for what is wrong with it tells more than one whose series are not known by name.
    problems = [f"{one.title}: {one.problem or 'its description names no sequence'}" for s in studies for one in s.all]
    raise DataError(
        f"{scans.root}: no series is one of {', '.join(CHANNELS)}. {'; '.join(problems[:4])}. "
        "Name sequences by patterns of their descriptions: -o 'sequences={flair: PATTERN}'"
    )


def _plan(by_sequence: Sorted, names: Sequence[str], options: Options) -> Plan:
    return plan_study(by_sequence, names, options.label, options.resample)


def _plan_again(scans: RawScans[Options], case: Case) -> Plan:
    """The plan of `find`, from the case's own files."""
    survey = find_series(scans.root, case.files, scans.options.allow_gaps)
    if survey.unreadable:
        raise UnreadableError(survey.unreadable[0][1])
    try:
        (by_sequence,) = _sorted_studies(survey, scans)
        names = tuple(scans.options.sequences) or _names_found([by_sequence], scans)
        return _plan(by_sequence, names, scans.options)
    except (DataError, ValueError) as error:
        raise UnreadableError(f"{scans.name(case.files[0])}: not as it was when it was found ({error}).") from None


def _case(scans: RawScans[Options], where: str, patient_id: str, plan: Plan) -> Case:
    files = sorted({scans.root / name for series in plan.series for name in series.names})
    return Case(where, tuple(files), patient_id=patient_id)


def _case_ids(studies: Sequence[Sequence[Series]]) -> list[str]:
    """The folder that holds a study, or its patient where that is the root; with a number where several share it."""
    folders = [study_folder(study) or study[0].patient_id or "study" for study in studies]
    return [
        folder if folders.count(folder) == 1 else f"{folder} study {folders[: number + 1].count(folder)}"
        for number, folder in enumerate(folders)
    ]


def _files_left_out(survey: Survey) -> list[Refused]:
    skipped = [Refused(source=".", reason=f"{count} files: {kind}") for kind, count in survey.skipped.items()]
    copies = [Refused(source=name, reason=f"a copy of {other!r}") for name, other in survey.copies]
    return [*skipped, *copies, *(Refused(source=name, reason=reason) for name, reason in survey.unreadable)]


def _patients_by_folder(studies: Sequence[Sequence[Series]]) -> list[Refused]:
    told = tell_patients_by_folder(studies)
    return [Refused(source=".", reason=told)] if told else []


def _series_left_out(study: Sequence[Series], plan: Plan) -> list[Refused]:
    unused = [series for series in study if series not in plan.series]
    reasons = [(one, one.problem or "no channel asked for") for one in unused]
    turned = [(one, _turned(one)) for one in plan.series if one.grid is not None and one.grid.plane != "axial"]
    return [Refused(source=one.names[0], reason=f"{one.title}: {reason}") for one, reason in (*reasons, *turned)]


def _turned(series: Series) -> str:
    grid = axial_grid(series)
    slice_mm, row_mm, column_mm = grid.spacing_mm
    plane = "" if series.grid is None else series.grid.plane
    pixels = f"pixels of {row_mm:.2f} x {column_mm:.2f} mm"
    return f"{plane} slices, cut anew to axial ones {slice_mm:.2f} mm apart with {pixels}"


def _slice_indices(grid: Grid) -> tuple[int, ...]:
    """The place of each slice, counting missing ones where they are whole steps."""
    places = [round(float(place)) for place in grid.places]
    return tuple(places if len(set(places)) == len(places) else range(len(places)))
