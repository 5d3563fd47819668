from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from glioray.data.duplicates import copy_views
from glioray.data.grouping import group_rows
from glioray.data.manifest import Settings
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents
from glioray.data.staging import Row
from glioray.errors import DataError

SLICES = Contents(task="classification", channels=("grey",), classes=("a", "b"), citation="toy")
VOLUMES = Contents(task="segmentation", channels=("flair",), labels={"tumor": 1}, citation="toy")


def row(number, label=0, patient=None, side=None, head=0.5, pixels=(), spacing_mm=None):
    return Row(
        case_id=f"case{number}",
        case_hash=f"hash{number}",
        source=f"file{number}",
        slice_index=0,
        label=label,
        patient_id=patient,
        published_side=side,
        brain_mean=0.0,
        brain_std=0.0,
        brain_fraction=head,
        raw_height=64,
        raw_width=64,
        spacing_mm=spacing_mm,
        raw_spacing_mm=spacing_mm,
        label_pixels=pixels,
        intensity=((0.0, 1.0),),
    )


@pytest.fixture(scope="module")
def heads(draw_head):
    return np.stack([draw_head(i) for i in range(48)])


def group(rows, images, kind="group", val=0.2, test=0.2, seed=0, folds=None, contents=SLICES, views=None, tell=None):
    settings = Settings(
        source="toy",
        source_hash="0",
        preprocessing=Preprocessing(image_size=64, crop_head=False, intensity="as_is"),
        split=kind,
        folds=folds,
        seed=seed,
        val_fraction=val,
        test_fraction=test,
    )
    return group_rows(rows, copy_views(images, images) if views is None else views, settings, contents, None, tell)


def test_a_patient_is_a_group(heads) -> None:
    rows = [row(i, patient=f"p{i % 5}") for i in range(20)]
    grouping = group(rows, heads[:20])
    assert grouping.groups == [f"p{i % 5}" for i in range(20)]
    assert grouping.duplicates is None


def test_a_mirrored_copy_never_leaves_its_side(heads) -> None:
    images = np.concatenate([heads[:40], heads[:40, :, ::-1], heads[:40, ::-1]])
    for seed in range(5):
        grouping = group([row(i) for i in range(120)], images, seed=seed)
        sides = defaultdict(set)
        for i, side in enumerate(grouping.parts):
            sides[i % 40].add(side)
        assert all(len(found) == 1 for found in sides.values())
        assert grouping.duplicates.images_with_a_copy == 120


def test_copies_with_two_labels_are_reported_and_never_scored_on(heads) -> None:
    images = np.concatenate([heads[:40], heads[7:8, ::-1]])
    rows = [row(i, label=i % 2) for i in range(40)] + [row(40, label=0)]
    for seed in range(5):
        grouping = group(rows, images, val=0.4, test=0.4, seed=seed)
        assert grouping.parts[7] == grouping.parts[40] == "train"
        assert grouping.duplicates.conflicts == (("file40", "file7"),)
        folded = group(rows, images, folds=4, seed=seed)
        assert folded.parts[7] == folded.parts[40] == "train"


@pytest.mark.parametrize("view", [0, 1])
def test_a_copy_in_any_view_is_a_copy(heads, view) -> None:
    views = copy_views(heads[:40], heads[:40])
    views[view, 1] = views[view, 0]
    assert group([row(i) for i in range(40)], heads, views=views).duplicates.groups == 39


def test_patients_one_of_whom_copies_the_other_are_one_group(heads) -> None:
    """p0 has 12 slices; 2 of the 4 of p1 are mirrored ones of these."""
    images = np.concatenate([heads[:12], heads[2:4, :, ::-1], heads[12:46]])
    rows = [row(i, patient="p0" if i < 12 else f"p{1 + (i - 12) // 4}") for i in range(48)]
    for seed in range(4):
        grouping = group(rows, images, seed=seed)
        assert set(grouping.groups[:16]) == {"p0+p1"}
        assert grouping.groups[16] == "p2"
        assert grouping.duplicates.nested == (("p0", "p1"),)
        assert grouping.duplicates.images_with_a_copy == 4
        assert len(set(grouping.parts[:16])) == 1


def test_patients_that_copy_each_other_in_a_chain_are_all_one_group(heads) -> None:
    images = np.concatenate([heads[:4], heads[:2], heads[4:6], heads[4:6], heads[6:42]])
    grouping = group([row(i, patient=f"p{i // 4}") for i in range(46)], images)
    assert set(grouping.groups[:12]) == {"p0+p1+p2"}
    assert grouping.duplicates.nested == (("p0", "p1"), ("p1", "p2"))


@pytest.mark.parametrize("seed", range(6))
def test_one_slice_in_five_alike_does_not_join_volumes_but_is_counted_across_parts(heads, seed) -> None:
    images = np.concatenate([heads[:5], heads[:1], heads[5:44]])
    rows = [row(i, None, f"p{i // 5}", pixels=(9,)) for i in range(45)]
    grouping = group(rows, images, contents=VOLUMES, folds=3, seed=seed)
    assert set(grouping.groups) == {f"p{i}" for i in range(9)}
    if grouping.parts[0] == grouping.parts[5]:
        assert grouping.duplicates is None
    else:
        assert (grouping.duplicates.alike, grouping.duplicates.nested) == (2, ())


def test_one_image_in_twelve_alike_joins_patients(heads) -> None:
    """Single images are not slices of a volume, which are alike where there is little to see."""
    images = np.concatenate([heads[:12], heads[:1], heads[12:47]])
    grouping = group([row(i, patient=f"p{i // 12}", head=0.05) for i in range(48)], images)
    assert set(grouping.groups) == {"p0+p1", "p2", "p3"}
    assert (grouping.duplicates.alike, grouping.duplicates.nested) == (0, (("p0", "p1"),))


def test_groups_without_patients_keep_their_names_when_files_come(heads) -> None:
    rows = [row(i) for i in range(20)]
    images = np.concatenate([heads[:10], heads[:1], heads[10:19]])  # row 10 copies row 0
    few, more = group(rows[:19], images[:19]), group([row("new"), *rows], np.concatenate([heads[40:41], images]))
    assert few.groups[0] == few.groups[10] == "file0"
    assert few.groups[11:13] == ["file11", "file12"]
    assert more.groups[1:20] == few.groups


@pytest.mark.parametrize(("head", "joined"), [(0.05, False), (0.15, True)])
def test_slices_that_show_hardly_any_head_join_nobody(heads, head, joined) -> None:
    """The last two of four slices of every patient are the same."""
    images = np.stack([heads[i] if i % 4 < 2 else heads[i % 4 - 2] for i in range(48)])
    heads_shown = [0.5 if i % 4 < 2 else head for i in range(48)]
    rows = [row(i, None, f"p{i // 4:02}", head=shown, pixels=(9,)) for i, shown in enumerate(heads_shown)]
    if joined:
        with pytest.raises(DataError, match="at least 3 groups"):
            group(rows, images, contents=VOLUMES)
        return
    assert len(set(group(rows, images, contents=VOLUMES).groups)) == 12


def test_an_unnamed_image_joins_the_patient_whose_slice_it_copies(heads) -> None:
    images = np.concatenate([heads[:20], heads[3:4, ::-1], heads[20:30]])
    rows = [row(i, patient=f"p{i // 4}" if i < 20 else None) for i in range(31)]
    for seed in range(4):
        grouping = group(rows, images, seed=seed)
        assert grouping.groups[20] == "p0"
        assert len({grouping.parts[i] for i in (0, 1, 2, 3, 20)}) == 1
        assert len(set(grouping.groups)) == 5 + 10
        assert not {f"p{i}" for i in range(5)} & set(grouping.groups[21:])


def test_an_unnamed_image_that_copies_two_patients_joins_them(heads) -> None:
    images = np.concatenate([heads[:20], heads[20:21]])
    images[4] = images[0]
    images[20] = images[0]
    rows = [row(i, patient=f"p{i // 4}" if i < 20 else None, head=0.05) for i in range(21)]
    assert group(rows, images).groups[20] == "p0+p1"


def test_a_group_with_named_and_unnamed_rows_of_two_labels_is_a_conflict(heads) -> None:
    images = np.concatenate([heads[:20], heads[3:4]])
    rows = [row(i, label=0, patient=f"p{i // 2}") for i in range(20)] + [row(20, label=1)]
    grouping = group(rows, images)
    assert grouping.duplicates.conflicts == (("file2", "file20", "file3"),)
    assert grouping.parts[2] == grouping.parts[20] == "train"


def test_a_named_patient_may_have_slices_of_two_classes(heads) -> None:
    """The slices of a patient with a tumor that show none are no contradiction."""
    rows = [row(i, label=i % 2, patient=f"p{i // 4}") for i in range(20)] + [row(i) for i in range(20, 40)]
    assert group(rows, heads[:40]).duplicates.conflicts == ()


def test_classes_are_spread_by_images(heads) -> None:
    rows = [row(i, label=int(i >= 30)) for i in range(48)]
    counts = Counter(zip(group(rows, heads).parts, (r.label for r in rows), strict=True))
    assert counts == {
        ("test", 0): 6,
        ("val", 0): 6,
        ("train", 0): 18,
        ("test", 1): 4,
        ("val", 1): 4,
        ("train", 1): 10,
    }


def test_volumes_are_spread_by_patients_not_by_slices(heads) -> None:
    """One patient has as many slices as all others together."""
    rows = [row(i, None, "large" if i < 24 else f"p{i:02}", pixels=(9,)) for i in range(48)]
    parts = group(rows, heads, contents=VOLUMES, val=0.15, test=0.15).parts
    sides = {r.patient_id: part for r, part in zip(rows, parts, strict=True)}
    assert Counter(sides.values()) == {"train": 17, "val": 4, "test": 4}


@pytest.mark.parametrize("spacing_mm", [None, (5.0, 1.0, 1.0)])
def test_small_and_large_tumors_reach_every_fold(heads, spacing_mm) -> None:
    """12 patients, three each of four sizes: each of three folds gets one of each size."""
    sizes = np.random.default_rng(0).permutation([10**power + i for power in range(1, 5) for i in range(3)]).tolist()
    rows = [row(i, None, f"p{i:02}", pixels=(size,), spacing_mm=spacing_mm) for i, size in enumerate(sizes)]
    parts = group(rows, heads[:12], contents=VOLUMES, folds=3).parts
    digits = defaultdict(list)
    for size, part in sorted(zip(sizes, parts, strict=True)):
        digits[part].append(len(str(size)))
    assert digits == {f"fold-{fold}": [2, 3, 4, 5] for fold in range(3)}


def test_volume_is_in_ml_where_spacing_is_known(heads) -> None:
    """As many pixels in all, but the voxels of every other patient are a thousand times larger."""
    rows = [
        row(i, None, f"p{i:02}", pixels=(50,), spacing_mm=(1.0, 1.0, 1.0) if i % 2 else (10.0, 10.0, 10.0))
        for i in range(16)
    ]
    parts = group(rows, heads[:16], contents=VOLUMES, folds=4).parts
    assert {part: Counter(i % 2 for i in range(16) if parts[i] == part) for part in set(parts)} == {
        f"fold-{fold}": {0: 2, 1: 2} for fold in range(4)
    }


def test_the_published_split_counts_its_leak(heads) -> None:
    images = np.concatenate([heads[:40], heads[:3], heads[30:31]])
    sides = ["train"] * 30 + ["test"] * 14
    grouping = group([row(i, side=side) for i, side in enumerate(sides)], images, kind="published")
    assert [side == "test" for side in grouping.parts] == [side == "test" for side in sides]
    assert str(grouping.leak) == "leaky: 3 of 14 test images have a copy in training"
    assert len(set(zip(grouping.groups, grouping.parts, strict=True))) == len(set(grouping.groups))


def test_val_of_a_published_split_shares_no_group_with_training(heads) -> None:
    images = np.concatenate([heads[:20], heads[:20, ::-1], heads[20:40]])
    sides = ["train"] * 40 + ["test"] * 20
    grouping = group([row(i, side=side) for i, side in enumerate(sides)], images, kind="published")
    assert grouping.parts[:20] == grouping.parts[20:40]
    assert grouping.parts.count("val") == 8


def test_a_published_split_with_its_own_val_side_is_taken_as_it_is(heads) -> None:
    sides = ["train"] * 20 + ["val"] * 3 + ["test"] * 9
    images = np.concatenate([heads[:31], heads[21:22]])
    grouping = group([row(i, side=side) for i, side in enumerate(sides)], images, kind="published")
    assert grouping.parts == sides
    assert grouping.leak.with_copy_in_training == 1  # copied to val, which training looks at


def test_data_without_a_published_split_are_refused_one(heads) -> None:
    for sides in ([None] * 9, ["train"] * 9, ["train"] * 4 + ["test"] * 4 + [None]):
        with pytest.raises(DataError, match="no published split"):
            group([row(i, patient=f"p{i}", side=side) for i, side in enumerate(sides)], heads[:9], kind="published")


def test_the_search_for_copies_tells_how_far_it_is(heads) -> None:
    told = []
    group([row(i) for i in range(9)], heads[:9], tell=lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] > 0
