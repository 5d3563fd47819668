from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from glioray.data.sources import image_folder, raw_scans
from glioray.data.sources._spelling import SPELLINGS, class_of, known_class, side_of
from glioray.errors import DataError, UnreadableError


def picture(path, value=100, size=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size), value, np.uint8)).save(path, format="PNG")


@pytest.fixture
def root(tmp_path):
    """Two classes of two pictures, without sides."""
    place = tmp_path / "scans"
    for number, name in enumerate(("glioma/a.png", "glioma/b.png", "notumor/c.png", "notumor/d.png")):
        picture(place / name, 10 * number)
    return place


def scans_of(root, **options):
    return raw_scans(image_folder, root, None, options)


def find(root, **options):
    return image_folder.find(scans_of(root, **options))


def classes(root, **options):
    return image_folder.describe(scans_of(root, **options)).classes


def refuse(root, match, **options):
    with pytest.raises(DataError, match=match):
        find(root, **options)


def table(root, text, name="patients.csv", encoding="utf-8"):
    (root / name).write_bytes(text.encode(encoding))
    return {"patients": name}


def reasons(refused):
    return {entry.source: entry.reason for entry in refused}


def test_a_folder_is_a_class_and_classes_are_sorted(root) -> None:
    picture(root / "abscess" / "x.png")
    assert classes(root) == ("abscess", "glioma", "notumor")
    assert [(case.case_id, case.label) for case in find(root).cases][:2] == [("abscess/x.png", 0), ("glioma/a.png", 1)]


def test_pictures_are_read_in_grey_with_the_name_below_the_root(root) -> None:
    scans = scans_of(root)
    raw = image_folder.read(scans, image_folder.find(scans).cases[1])
    assert raw.image.shape == (1, 1, 32, 32)
    assert set(np.unique(raw.image)) == {10}
    assert raw.sources == ("glioma/b.png",)


def test_a_picture_of_one_pixel_is_refused_by_name(root) -> None:
    picture(root / "glioma" / "dot.png", size=1)
    scans = scans_of(root)
    dot = next(case for case in image_folder.find(scans).cases if "dot" in case.case_id)
    with pytest.raises(UnreadableError, match=r"^glioma/dot\.png: 1 x 1 px"):
        image_folder.read(scans, dot)


def test_sides_are_told_by_the_folders_above_the_classes(tmp_path) -> None:
    for side in ("Training", "validation", "TEST"):
        for name in ("yes", "no"):
            picture(tmp_path / side / name / "x.png")
    found = find(tmp_path)
    assert {case.case_id.split("/")[0]: case.published_side for case in found.cases} == {
        "Training": "train",
        "validation": "val",
        "TEST": "test",
    }
    assert classes(tmp_path) == ("notumor", "tumor")


def test_a_folder_beside_the_sides_is_told_and_not_used(tmp_path) -> None:
    for name in ("train/yes/x.png", "train/no/x.png", "pred/x.png"):
        picture(tmp_path / name)
    found = find(tmp_path)
    assert len(found.cases) == 2
    assert reasons(found.remarks) == {"pred": "lies beside 'train' and is no side: not used"}


def test_pictures_may_lie_in_folders_of_a_class_and_the_whole_in_a_wrapper(root) -> None:
    picture(root / "glioma" / "patient_7" / "e.png")
    assert "scans/glioma/patient_7/e.png" in [case.case_id for case in find(root.parent).cases]


@pytest.mark.parametrize(
    ("folder", "class_name"),
    [
        ("glioma_tumor", "glioma"),
        ("Glioma Tumor", "glioma"),
        ("meningioma-tumor", "meningioma"),
        ("no_tumor", "notumor"),
        ("NoTumour", "notumor"),
        ("Healthy", "notumor"),
        ("normal", "notumor"),
        ("no", "notumor"),
        ("yes", "tumor"),
        ("pituitary_tumor", "pituitary"),
        ("Schwannoma", "Schwannoma"),
        ("glioblastoma", "glioblastoma"),
    ],
)
def test_spellings_of_the_wild_are_known(folder, class_name) -> None:
    assert class_of(folder, {}) == class_name


def test_no_spelling_is_of_two_classes_or_of_a_side() -> None:
    for class_name, names in SPELLINGS.items():
        assert {known_class(name) for name in (class_name, *names)} == {class_name}
        assert not any(map(side_of, names))


@pytest.mark.parametrize(
    ("typo", "meant"), [("gliomma", "glioma"), ("menigioma", "meningioma"), ("pituatary", "pituitary")]
)
def test_a_name_that_is_almost_known_is_refused_and_says_how_to_mean_it(root, typo, meant) -> None:
    picture(root / typo / "x.png")
    refuse(root, rf"folder '{typo}' .* did you mean '{meant}'\? .* -o classes=\{{{typo}: {meant}\}}")
    assert len(find(root, classes={typo: meant}).cases) == 5


def test_two_spellings_of_a_class_are_joined_and_told(root) -> None:
    picture(root / "glioma_tumor" / "x.png")
    found = find(root)
    assert [case.label for case in found.cases] == [0, 0, 0, 1, 1]
    assert reasons(found.remarks) == {"glioma": "one class, joined from the folders 'glioma', 'glioma_tumor'"}


def test_own_names_of_another_case_are_one_class(tmp_path) -> None:
    for name in ("train/Abscess/x.png", "train/no/x.png", "test/abscess/x.png", "test/no/x.png"):
        picture(tmp_path / name)
    assert classes(tmp_path) == ("abscess", "notumor")


def test_a_choice_overrides_the_table_and_null_leaves_a_folder_out(root) -> None:
    picture(root / "normal" / "x.png")
    assert classes(root, classes={"notumor": "control", "Normal": "control"}) == ("control", "glioma")
    found = find(root, classes={"normal": None})
    assert len(found.cases) == 4
    assert reasons(found.remarks) == {"normal": "left out by option classes"}


def test_yes_and_no_may_be_written_bare_in_a_choice(tmp_path) -> None:
    for name in ("yes/x.png", "no/x.png"):
        picture(tmp_path / name)
    assert classes(tmp_path, classes={True: "glioma", False: "notumor"}) == ("glioma", "notumor")


def test_a_choice_for_no_folder_is_refused(root) -> None:
    refuse(
        root, "option classes names 'gliomas', no folder of it; did you mean 'glioma'", classes={"gliomas": "glioma"}
    )


@pytest.mark.parametrize("name", ["images", "Masks", "labels"])
def test_half_of_a_segmentation_data_set_is_no_class(root, name) -> None:
    picture(root / name / "x.png")
    refuse(root, f"folder '{name}' is no class but one half of a segmentation data set")


def test_a_class_within_a_folder_that_is_another_is_refused(root) -> None:
    picture(root / "brain_tumor_dataset" / "no" / "x.png")
    refuse(root, "brain_tumor_dataset: the class folder 'no' lies in it")
    assert len(find(root, classes={"brain_tumor_dataset": None}).cases) == 4


def test_fewer_than_two_classes_are_refused(tmp_path) -> None:
    refuse(tmp_path, "no class folder; wanted two or more")
    picture(tmp_path / "glioma" / "x.png")
    refuse(tmp_path, "one class only, 'glioma'; wanted two or more")
    refuse(tmp_path / "nowhere", "no such folder")


def test_a_class_folder_without_a_picture_is_refused(root) -> None:
    (root / "pituitary").mkdir()
    refuse(root, r"pituitary: no image in it .* -o classes=\{pituitary: null\}")


def test_stray_files_are_told_and_hidden_ones_left_alone(root) -> None:
    picture(root / "loose.png")
    picture(root / "__MACOSX" / "glioma" / "._a.png")
    for name in ("._a.png", "Thumbs.db", "notes.txt"):
        (root / "glioma" / name).write_bytes(b"no picture")
    found = find(root)
    assert len(found.cases) == 4
    assert reasons(found.remarks) == {
        ".": "1 images lie outside any class folder, 'loose.png' first: not used",
        "__MACOSX": "a folder of some program's own: not used",
        "glioma": "1 files are no images by name, 'notes.txt' first: not used",
    }


def test_links_to_folders_are_told_and_not_followed(root, tmp_path) -> None:
    picture(tmp_path / "outside" / "x.png")
    (root / "pituitary").symlink_to(tmp_path / "outside")
    (root / "glioma" / "loop").symlink_to(root)
    found = find(root)
    assert len(found.cases) == 4
    assert set(reasons(found.remarks)) == {"pituitary", "glioma/loop"}
    assert "links to folders are not followed" in found.remarks[0].reason


PATIENTS = "file,patient\nglioma/a.png,P1\nb.png,P1\nnotumor/c.png,P2\nd.png,\n"


@pytest.mark.parametrize(
    "head", ["file,patient", "File Name,Patient_ID", "extra;image;subject", "PATH\tpid", "\ufeffimage_path,patient id"]
)
def test_a_table_says_the_patients_however_its_columns_are_spelled(root, head) -> None:
    comma = next(mark for mark in ";\t," if mark in head)
    text = PATIENTS.replace("file,patient", head).replace(",", comma)
    text = (
        "\n".join(f"0;{line}" if number else line for number, line in enumerate(text.split("\n")) if line)
        if "extra" in head
        else text
    )
    found = find(root, **table(root, text))
    assert [case.patient_id for case in found.cases] == ["P1", "P1", "P2", None]
    assert found.refused == found.remarks == []


def test_a_table_may_lie_elsewhere(root, tmp_path) -> None:
    (tmp_path / "p.csv").write_text(PATIENTS)
    assert find(root, patients=str(tmp_path / "p.csv")).cases[0].patient_id == "P1"


def test_an_image_of_two_patients_is_refused_and_the_rest_unharmed(root) -> None:
    found = find(root, **table(root, PATIENTS + "a.png,P9\n"))
    assert reasons(found.refused) == {
        "glioma/a.png": "patients.csv says two patients of it: 'P1' on line 2 and 'P9' on line 6"
    }
    assert [case.case_id for case in found.cases] == ["glioma/b.png", "notumor/c.png", "notumor/d.png"]
    assert [case.label for case in found.cases] == [0, 1, 1]


def test_the_same_line_twice_is_no_conflict(root) -> None:
    assert find(root, **table(root, PATIENTS + "a.png,P1\n")).refused == []


def test_an_image_without_a_line_is_refused_by_name(root) -> None:
    found = find(root, **table(root, PATIENTS.replace("d.png,\n", "")))
    assert list(reasons(found.refused)) == ["notumor/d.png"]
    assert "no line of patients.csv names it" in found.refused[0].reason


def test_a_line_for_no_image_is_told(root) -> None:
    found = find(root, **table(root, PATIENTS + "gone.png,P5\n"))
    assert len(found.cases) == 4
    assert reasons(found.remarks) == {"patients.csv line 6": "'gone.png': no such image is there"}


def test_a_bare_name_of_two_images_names_neither(root) -> None:
    picture(root / "notumor" / "a.png")
    found = find(root, **table(root, PATIENTS.replace("glioma/a.png", "a.png")))
    assert set(reasons(found.refused)) == {"glioma/a.png", "notumor/a.png"}
    assert "is 2 images: 'glioma/a.png', 'notumor/a.png'" in found.remarks[0].reason


def test_a_whole_path_is_that_image_though_another_ends_so(root) -> None:
    for name in ("abscess/q.png", "notumor/abscess/q.png"):
        picture(root / name)
    found = find(root, **table(root, PATIENTS + "abscess/q.png,P7\nnotumor/abscess/q.png,P8\n"))
    assert {case.case_id: case.patient_id for case in found.cases}["abscess/q.png"] == "P7"
    assert found.refused == found.remarks == []


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("file,age\nglioma/a.png,4\n", "no column of the patient; .* found 'file', 'age'"),
        ("a,patient\nglioma/a.png,4\n", "no column of the file; .* found 'a', 'patient'"),
        ("", "no column of the file; .* found nothing"),
        ("file,patient\nx.png,P1\n", "none of its 1 lines names an image; the first says 'x.png', .* 'glioma/a.png'"),
        ("file,patient\nglioma/a.png\n", "line 2: 1 cells; wanted 2"),
        ('file,patient\n"glioma/a.png,P1\n', "is no CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(root, text, match) -> None:
    refuse(root, match, **table(root, text))


def test_a_table_that_is_not_utf8_or_not_there_is_refused(root) -> None:
    refuse(root, r"patients\.csv line 2: is not UTF-8", **table(root, "file,patient\na.png,Mü\n", encoding="latin-1"))
    refuse(root, r"gone\.csv: the table of patients cannot be read", patients="gone.csv")
