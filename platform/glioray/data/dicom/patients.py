"""Whose a study is: by its PatientID, and where scans have none by the folder that they lie in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from glioray.data.dicom.series import Series

UNNAMED = "unnamed"
MOST_NAMED = 5


def study_folder(study: Sequence[Series]) -> str:
    """The folder that holds all files of a study, relative to the root; "" for the root itself."""
    parents = [PurePosixPath(name).parent for series in study for name in series.names]
    return os.path.commonpath(parents).removeprefix(".")


def patients_of(studies: Sequence[Sequence[Series]]) -> list[str]:
    """The patient of each study.

    Without a PatientID it is the topmost folder below the root: studies of P01/2019 and P01/2021 are of one patient,
    who must not come apart in a split. Where one such study fills the root, all of them may be of one patient.
    """
    nameless = _topmost_folders(studies)
    return [study[0].patient_id or (UNNAMED if "" in nameless else _topmost(study)) for study in studies]


def tell_patients_by_folder(studies: Sequence[Sequence[Series]]) -> str | None:
    """What was assumed of studies without a PatientID; none where all have one."""
    num_nameless = sum(not study[0].patient_id for study in studies)
    if not num_nameless:
        return None
    folders = sorted(_topmost_folders(studies))
    more = f" and {len(folders) - MOST_NAMED} more" if len(folders) > MOST_NAMED else ""
    whose = (
        "they lie in the root, and are taken to be of one patient"
        if "" in folders
        else f"the topmost folder is taken for the patient: {', '.join(folders[:MOST_NAMED])}{more}"
    )
    return (
        f"{num_nameless} of {len(studies)} studies have no PatientID; {whose}. "
        "If this is wrong, give the folder that holds one folder a patient"
    )


def _topmost_folders(studies: Sequence[Sequence[Series]]) -> set[str]:
    return {_topmost(study) for study in studies if not study[0].patient_id}


def _topmost(study: Sequence[Series]) -> str:
    return study_folder(study).split("/")[0]
