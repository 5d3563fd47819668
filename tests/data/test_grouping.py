from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from glioray.data.duplicates import thumbnails
from glioray.data.grouping import group_rows
from glioray.data.reading import Row
from glioray.errors import DataError


def row(number, label=0, patient=None, side=None):
    return Row(f"file{number}", 0, label, patient, side, 0.0, 0.0, 0.0)


@pytest.fixture
def heads(draw_head):
    return np.stack([draw_head(i) for i in range(40)])


def group(rows, images=None, kind="group", val=0.2, test=0.2, seed=0):
    views = [] if images is None else [thumbnails(images)]
    return group_rows(rows, views, kind, seed, val, test)


def test_a_patient_is_a_group() -> None:
    rows = [row(i, patient=f"p{i % 5}") for i in range(20)]
    grouping = group(rows)
    assert grouping.groups == [f"p{i % 5}" for i in range(20)]
    assert grouping.duplicates is None


def test_a_mirrored_copy_never_leaves_its_side(heads) -> None:
    images = np.concatenate([heads, heads[:, :, ::-1], heads[:, ::-1]])
    for seed in range(5):
        grouping = group([row(i) for i in range(120)], images, seed=seed)
        sides = defaultdict(set)
        for i, side in enumerate(grouping.sides):
            sides[i % 40].add(side)
        assert all(len(found) == 1 for found in sides.values())
        assert grouping.duplicates.images_with_a_copy == 120


def test_copies_with_two_labels_are_reported_and_never_scored_on(heads) -> None:
    images = np.concatenate([heads, heads[7:8, ::-1]])
    rows = [row(i, label=i % 2) for i in range(40)] + [row(40, label=0)]
    for seed in range(5):
        grouping = group(rows, images, val=0.4, test=0.4, seed=seed)
        assert grouping.sides[7] == grouping.sides[40] == "train"
        assert grouping.duplicates.conflicts == (("file40", "file7"),)


def test_a_copy_in_any_view_is_a_copy(heads) -> None:
    rows = [row(i) for i in range(40)]
    whole = thumbnails(heads)
    cropped = whole.copy()
    cropped[1] = cropped[0]
    assert group_rows(rows, [whole, cropped], "group", 0, 0.2, 0.2).duplicates.groups == 39


def test_the_published_split_counts_its_leak(heads) -> None:
    images = np.concatenate([heads, heads[:3], heads[30:31]])
    sides = ["train"] * 30 + ["test"] * 14
    grouping = group([row(i, side=side) for i, side in enumerate(sides)], images, kind="published")
    assert [side == "test" for side in grouping.sides] == [side == "test" for side in sides]
    assert str(grouping.leak) == "leaky: 3 of 14 test images have a copy in training"
    assert len(set(zip(grouping.groups, grouping.sides, strict=True))) == len(set(grouping.groups))


def test_val_of_a_published_split_shares_no_group_with_training(heads) -> None:
    images = np.concatenate([heads[:20], heads[:20, ::-1], heads[20:]])
    sides = ["train"] * 40 + ["test"] * 20
    grouping = group([row(i, side=side) for i, side in enumerate(sides)], images, kind="published")
    assert grouping.sides[:20] == grouping.sides[20:40]
    assert grouping.sides.count("val") == 8


def test_data_without_a_published_split_are_refused_one() -> None:
    with pytest.raises(DataError, match="no published split"):
        group([row(i, patient=f"p{i}") for i in range(9)], kind="published")


def test_some_patients_named_and_some_not_is_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 images name their patient"):
        group([row(0, patient="p"), row(1)])
