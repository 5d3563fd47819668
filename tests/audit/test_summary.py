from __future__ import annotations

import pytest

from glioray.audit.copies import find
from glioray.audit.summary import summarize
from glioray.data.progress import silent


def test_tested_images_with_a_copy_in_training_are_counted_up_kind_by_kind(audited) -> None:
    assert [kind.tested_with_copy for kind in audited.kinds] == [1, 3, 4, 5, 6, 7]
    assert audited.line == "leaky: 7 of 8 test images have a copy in training"
    assert [kind.across_sides for kind in audited.kinds] == [1, 2, 1, 1, 1, 1]


def test_a_copy_with_another_label_is_a_conflict(audited) -> None:
    (conflict,) = audited.conflicts
    assert sorted((member.name, member.label) for member in conflict) == [
        ("Testing/b/6-mislabeled.png", "b"),
        ("Training/a/6.png", "a"),
    ]


def test_the_copy_of_a_copy_counts_for_the_leak(head, make) -> None:
    """Of three in a row the middle one is like both ends, and the ends are not like each other."""
    steps = [head(0).astype(float) * (1 - share) + head(1).astype(float) * share for share in (0, 0.2, 0.4)]
    pictures = make(steps, side=["test", "test", "train"])
    found = summarize(pictures, find(pictures, 0, silent))
    assert found.kinds[-1].tested_with_copy == 1
    assert found.tested_with_copy == 2


def test_a_folder_without_sides_names_no_leak(head, make) -> None:
    pictures = make([head(0), head(0), head(1)])
    found = summarize(pictures, find(pictures, 0, silent))
    assert found.tested_with_copy is None
    assert found.line == "no split is named: 2 groups of copies, of which none may be parted"


@pytest.mark.parametrize(
    ("second", "line"),
    [
        (1, "leaky: groups of copies that are parted by the 2 folds: 1"),
        (0, "no leak found: no group of copies is parted by the 2 folds"),
    ],
)
def test_folds_must_not_part_a_group(head, make, second, line) -> None:
    pictures = make([head(0), head(0), head(1)], side=["fold-0", f"fold-{second}", "fold-1"])
    assert summarize(pictures, find(pictures, 0, silent)).line == line


def test_a_folder_without_copies_is_summarized(head, make) -> None:
    pictures = make([head(0), head(1)], side=["train", "test"])
    found = summarize(pictures, find(pictures, 0, silent))
    assert found.line == "no leak found: none of 1 test images has a copy in training"
    assert found.shown == ()


def test_a_patient_on_both_sides_is_a_leak_without_any_copy(head, make) -> None:
    pictures = make([head(seed) for seed in range(4)], side=["train", "test", "test", "test"], patient=list("ppqr"))
    found = summarize(pictures, find(pictures, 0, silent))
    assert found.line == "leaky: 1 of 3 test images show a patient who is in training"
    assert (found.same_patient.patients, found.same_patient.images, found.same_patient.tested) == (1, 2, 1)
    assert [kind.tested_with_copy for kind in found.kinds] == [1] * 6
    assert (found.groups, found.tested_with_copy, found.images_with_a_copy) == (3, 1, 0)


def test_copies_are_counted_after_the_patients(head, make) -> None:
    pictures = make(
        [head(0), head(1), head(0), head(2)], side=["train", "test", "test", "test"], patient=["p", "p", "q", "r"]
    )
    line = summarize(pictures, find(pictures, 0, silent)).line
    assert line == "leaky: 1 of 3 test images show a patient who is in training, 1 more have a copy there"


def test_two_labels_of_a_patient_are_no_contradiction(head, make) -> None:
    pictures = make([head(0), head(0)], patient=["p", "p"], label=["a", "b"])
    assert summarize(pictures, find(pictures, 0, silent)).conflicts == ()


def test_a_patient_in_two_folds_is_a_leak(head, make) -> None:
    pictures = make([head(0), head(1), head(2)], side=["fold-0", "fold-1", "fold-1"], patient=["p", "p", "q"])
    line = summarize(pictures, find(pictures, 0, silent)).line
    assert line == "leaky: patients who stand in more than one of the 2 folds: 1"


def test_a_group_of_the_preparation_on_both_sides_is_a_leak(head, make) -> None:
    """The preparation saw the raw pictures and may know of copies that the prepared ones do not show."""
    pictures = make([head(0), head(1)], side=["train", "test"], group=["g", "g"])
    assert summarize(pictures, find(pictures, 0, silent)).line == "leaky: 1 of 1 test images have a copy in training"


def test_copies_in_val_are_named_apart(head, make) -> None:
    sides = ["train", "val", "test", "test", "test"]
    pictures = make([head(seed) for seed in (0, 1, 0, 1, 2)], side=sides)
    found = summarize(pictures, find(pictures, 0, silent))
    assert found.line == "leaky: 1 of 3 test images have a copy in training, 1 more in val"
    assert found.kinds[-1].tested_with_copy == 1
    pictures = make([head(0), head(1), head(1)], side=["train", "val", "test"])
    found = summarize(pictures, find(pictures, 0, silent))
    assert found.line == "leaky: 1 of 1 test images have their patient or a copy in val"


def volume_line(make, heads, patients, **columns):
    sides = ["test" if patient == "t" else "train" for patient in patients]
    shows = columns.pop("brain_fraction", [0.5] * len(heads))
    pictures = make(heads, is_volumes=True, side=sides, patient=list(patients), brain_fraction=shows)
    found = summarize(pictures, find(pictures, 0, silent))
    return found.line, found


def test_slices_that_show_little_of_the_head_are_not_compared(head, make) -> None:
    heads = [head(0), *(head(seed) for seed in range(1, 4))] * 2
    line, found = volume_line(make, heads, "tttt" + "pppp", brain_fraction=[0.05] * 8)
    assert line == "no leak found: no test patient is in training or looks like one who is"
    assert found.compared.startswith("0 of 8 slices, those of which at least 10 % is head")


def test_volumes_are_compared_as_they_are_alone(head, make) -> None:
    gamma = (255 * (head(0) / 255.0) ** 2.2).round().astype("uint8")
    _, found = volume_line(make, [head(0), gamma], "tp")
    assert sum(kind.pairs for kind in found.kinds) == 0


def test_single_slices_that_are_alike_are_counted_and_are_no_leak(head, make) -> None:
    heads = [head(seed) for seed in (0, 1, 2, 3, 4, 0, 11, 12, 13, 14)]
    line, found = volume_line(make, heads, "ttttt" + "ppppp")
    assert line == (
        "no leak found: no test patient is in training or looks like one who is, "
        "though 1 of 5 test slices look like one of a training patient"
    )
    assert (found.groups, found.images_with_a_copy, len(found.shown)) == (2, 2, 1)


def test_a_patient_of_whom_a_quarter_is_copied_is_a_leak(head, make) -> None:
    heads = [head(seed) for seed in (0, 1, 2, 3, 0, 11, 12, 13, 14)]
    line, found = volume_line(make, heads, "tttt" + "ppppp")
    assert line == (
        "leaky: 1 slices of test patients look like one of a training patient "
        "(4 of 4 test slices are of these patients)"
    )
    assert found.groups == 1
