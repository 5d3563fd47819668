from __future__ import annotations

import pytest

from glioray.audit.places import place
from glioray.data.sources import image_folder, raw_scans


def folders(*names):
    return [tuple(name.split("/")) if name else () for name in names]


@pytest.mark.parametrize(
    ("folder", "side", "label"),
    [
        ("train set/glioma/patient 7", "train", "glioma"),
        ("Training/no tumor/patient/series", "train", "notumor"),
        ("data/valid/yes", "val", "tumor"),
        ("glioma/testing", "test", "glioma"),
        ("Testing", "test", None),
        ("something", None, "something"),
        ("", None, None),
    ],
)
def test_the_class_is_the_first_folder_below_the_side(folder, side, label) -> None:
    assert place(folders(folder)).of == ((side, label),)


def test_spellings_of_one_name_are_one_class() -> None:
    found = place(folders("glioma_tumor", "glioma", "Other one", "other-one"))
    assert [label for _, label in found.of] == ["glioma", "glioma", "Other one", "Other one"]
    assert found.remarks[0] == "glioma: one class, joined from the folders 'glioma', 'glioma_tumor'."


def test_folders_around_all_pictures_are_no_class() -> None:
    found = place(folders("archive/scans/yes/p", "archive/scans/no"))
    assert [label for _, label in found.of] == ["tumor", "notumor"]


def test_pictures_beside_the_sides_have_no_class_and_are_remarked() -> None:
    found = place(folders("train/a", "test/a", "extra/a"))
    assert found.of[2] == (None, None)
    assert found.remarks == ("1 images lie beside the folders of the sides: they have no side and no class.",)


def test_a_folder_that_prepare_would_refuse_keeps_its_name() -> None:
    found = place(folders("gliomma", "notumor"))
    assert [label for _, label in found.of] == ["gliomma", "notumor"]
    assert "did you mean 'glioma'" in found.remarks[0]


@pytest.mark.parametrize(
    "tree",
    [
        ("train set/glioma/p1", "train set/Normal/p2", "test set/glioma tumour/p3", "test set/healthy/p4"),
        ("brain/yes/p1/s1", "brain/no/p2"),
        ("validation/b", "Training/a/glioma cells", "Training/B", "testing/a", "masks/a"),
    ],
)
def test_places_are_those_that_image_folder_takes(tmp_path, tree) -> None:
    tree = sorted(tree)
    for folder in tree:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.png").touch()
    scans = raw_scans(image_folder, tmp_path, None, {})
    classes = image_folder.describe(scans).classes
    cases = {case.case_id: (case.published_side, classes[case.label]) for case in image_folder.find(scans).cases}
    taken = {f"{name}/x.png": found for name, found in zip(tree, place(folders(*tree)).of, strict=True)}
    assert {name: found for name, found in taken.items() if found != (None, None)} == cases
