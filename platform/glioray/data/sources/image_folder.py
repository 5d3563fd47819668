"""Any folder of single pictures, one folder a class.

    ROOT/<class>/**/*.png
    ROOT/{Training,Testing,validation,...}/<class>/**/*.png

A class has the name of its folder; the usual spellings of the four classes of tumor data sets and of yes and no are
known (`_spelling.py`). A CSV may say which patient a picture is of; without one, near-copies are kept together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from glioray.data.image_file import decode_image
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Case, Contents, Found, RawVolume, TaskName
from glioray.data.sources._class_tree import ClassTree, read_tree
from glioray.data.sources._contract import RawScans, SourceOptions, need_folder, only
from glioray.data.sources._patient_table import PatientTable, read_patients

OFFERED: tuple[TaskName, ...] = ("classification",)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def _as_written(choices: Any) -> Any:
    """YAML reads a bare yes, no or 1 as no text."""
    if not isinstance(choices, dict):
        return choices
    words = {True: "yes", False: "no"}
    return {words[name] if isinstance(name, bool) else str(name): value for name, value in choices.items()}


class Options(SourceOptions):
    """What the folders do not say."""

    patients: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        None, description="CSV with a column of files and one of patients; its path, or that below the folder of scans"
    )
    classes: Annotated[dict[Name, Name | None], BeforeValidator(_as_written)] = Field(
        {}, max_length=1000, description="folder: class, before the usual spellings; folder: null leaves it out"
    )


def describe(scans: RawScans[Options]) -> Contents:
    """The classes of the folders, of single grey slices."""
    return Contents(
        task=only(scans.task, OFFERED, "image_folder"),
        channels=("grey",),
        classes=_tree(scans).classes,
        citation="pictures of a folder given by the user, which names no source and no terms",
    )


def default_preprocessing(scans: RawScans[Options]) -> Preprocessing:
    """The head cut out, since size and margins often give the class away."""
    only(scans.task, OFFERED, "image_folder")
    return Preprocessing(image_size=128, crop_head=True, intensity="percentile")


def find(scans: RawScans[Options]) -> Found:
    """One case a picture, in the order of side, folder and path."""
    only(scans.task, OFFERED, "image_folder")
    tree = _tree(scans)
    table = _patients(scans, tree)
    labels = {name: label for label, name in enumerate(tree.classes)}
    cases = []
    for image in tree.images:
        name = scans.name(image.path)
        if table is None or name in table.patients:
            patient_id = table.patients[name] if table else None
            cases.append(Case(name, (image.path,), patient_id, labels[image.class_name], image.side))
    if table is None:
        return Found(cases, remarks=tree.remarks)
    return Found(cases, table.refused, [*tree.remarks, *table.remarks])


def read(scans: RawScans[Options], case: Case) -> RawVolume:
    """The picture as one grey slice."""
    (path,) = case.files
    name = scans.name(path)
    return RawVolume(decode_image(path.read_bytes(), name)[None], None, (name,), (0,))


def _tree(scans: RawScans[Options]) -> ClassTree:
    need_folder(scans.root)
    return read_tree(scans.root, scans.options.classes)


def _patients(scans: RawScans[Options], tree: ClassTree) -> PatientTable | None:
    if scans.options.patients is None:
        return None
    path = scans.root / Path(scans.options.patients)
    return read_patients(path, [scans.name(image.path) for image in tree.images])
