from __future__ import annotations

import numpy as np
import pytest

from glioray.audit.copies import find, summarize
from glioray.audit.folder import read_folder
from glioray.audit.pictures import Picture, Pictures
from glioray.data.duplicates import copy_views


def ignore(*_progress) -> None:
    pass


@pytest.fixture
def audited(leaky_folder):
    pictures = read_folder(leaky_folder, ignore)
    return summarize(pictures, find(pictures, 0, ignore))


def make(heads, **columns):
    """Pictures of drawn heads with one value a row for each field named."""
    plain = dict.fromkeys(("label", "side", "patient", "file_hash"))
    rows = [
        Picture(
            **(
                plain
                | {"name": f"{i}", "pixel_hash": f"{i}", "before": {}, "after": {}}
                | {name: values[i] for name, values in columns.items()}
            )
        )
        for i in range(len(heads))
    ]
    return Pictures("test", rows, copy_views(np.stack(heads)), (), (), lambda wanted: {})


def test_each_kind_of_copy_is_found_once_under_its_plainest_name(audited) -> None:
    pairs = {pair.first.name.split("/")[-1]: (pair.kind, pair.symmetry) for pair in audited.shown}
    assert {name: kind for name, (kind, _) in pairs.items()} == {
        "0-file.png": "identical file",
        "1-pixels.bmp": "identical pixels",
        "2-near.png": "near-copy",
        "3-mirrored.png": "mirrored",
        "4-turned.png": "turned",
        "5-contrast.png": "contrast changed",
        "6-mislabeled.png": "identical pixels",
    }
    assert pairs["3-mirrored.png"][1] == "left-right"


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


def test_the_copy_of_a_copy_counts_for_the_leak(head) -> None:
    """Of three in a row the middle one is like both ends, and the ends are not like each other."""
    steps = [head(0).astype(float) * (1 - share) + head(1).astype(float) * share for share in (0, 0.2, 0.4)]
    pictures = make(steps, side=["test", "test", "train"])
    found = summarize(pictures, find(pictures, 0, ignore))
    assert found.kinds[-1].tested_with_copy == 1
    assert found.tested_with_copy == 2


def test_slices_of_one_patient_are_no_copies_of_each_other(head) -> None:
    pictures = make([head(0)] * 3, patient=["p", "p", "q"], pixel_hash=["x"] * 3)
    found = find(pictures, 0, ignore)
    assert found.pairs.tolist() == [[0, 2], [1, 2]]


def test_a_folder_without_sides_names_no_leak(head) -> None:
    pictures = make([head(0), head(0), head(1)])
    found = summarize(pictures, find(pictures, 0, ignore))
    assert found.tested_with_copy is None
    assert found.line == "no split is named: 2 groups of copies, of which none may be parted"


@pytest.mark.parametrize(
    ("second", "line"),
    [
        (1, "leaky: 1 pairs of copies are parted by the 2 folds"),
        (0, "no leak found: no pair of copies is parted by the 2 folds"),
    ],
)
def test_folds_must_not_part_a_pair(head, second, line) -> None:
    pictures = make([head(0), head(0), head(1)], side=["fold-0", f"fold-{second}", "fold-1"])
    assert summarize(pictures, find(pictures, 0, ignore)).line == line


def test_a_folder_without_copies_is_summarized(head) -> None:
    pictures = make([head(0), head(1)], side=["train", "test"])
    found = summarize(pictures, find(pictures, 0, ignore))
    assert found.line == "no leak found: none of 1 test images has a copy in training"
    assert found.shown == ()


def test_pairs_shown_are_bounded_and_the_weakest_are_among_them(head) -> None:
    noise = np.random.default_rng(0).normal(0, 1, (30, 64, 64))
    pictures = make([head(0) + number * 0.5 * one for number, one in enumerate(noise)])
    found = find(pictures, 0, ignore)
    near = [(found.correlations[index], why) for index, why in found.shown if found.kinds[index] == 2]
    assert len(near) == 12
    weakest = min(found.correlations[found.kinds == 2])
    assert (weakest, "weakest") in near
