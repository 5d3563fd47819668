from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from glioray.data.grouping import Grouping
from glioray.data.rows import StagedRecords, Staging, order_of
from glioray.data.staging import Row, load_staged, stage


def row(number, pixels=(0, 0)):
    return Row(
        case_id=f"c{number // 5}",
        case_hash=f"hash{number // 5}",
        source=f"file{number:03}",
        slice_index=number % 5,
        label=None,
        patient_id=f"p{number // 5}",
        published_side=None,
        brain_mean=1.5,
        brain_std=2.5,
        brain_fraction=0.5,
        raw_height=64,
        raw_width=48,
        spacing_mm=(5.0, 1.5, 2.5),
        raw_spacing_mm=(5.0, 0.75, 1.25),
        label_pixels=pixels,
        intensity=((0.0, 1.0),),
    )


@pytest.fixture
def staging(tmp_path):
    """Rows 0..9 in portions of 4, 0 and 6; pixels are the row's number."""
    for key, numbers in (("one", range(4)), ("none", []), ("other", range(4, 10))):
        pixels = np.array([np.full((1, 4, 4), i) for i in numbers], dtype=np.uint8).reshape(-1, 1, 4, 4)
        views = np.array([[np.full(1024, i) for i in numbers]], dtype=np.float32).reshape(1, -1, 1024)
        has_rows = [pixels] if len(pixels) else []
        stage(tmp_path, key, has_rows, [p[:, 0] for p in has_rows], [views], [row(i) for i in numbers], [])
    return Staging(tuple(load_staged(tmp_path, key) for key in ("one", "none", "other")))


def placed(case, number, source, label=None):
    return SimpleNamespace(case_id=case, slice_index=number, source=source, label=label, label_pixels=())


def grouping(parts, groups=None):
    return Grouping(list(groups or [f"g{i:03}" for i in range(len(parts))]), list(parts), None, None)


def test_a_row_is_found_by_its_number_over_all_portions(staging) -> None:
    assert [r.source for r in staging.rows] == [f"file{i:03}" for i in range(10)]
    assert [staging.place(i)[1] for i in range(10)] == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    assert staging.place(3)[0].key == "one"
    assert staging.place(4)[0].key == "other"


def test_portions_are_one_set_whose_views_are_in_the_order_of_the_rows(staging) -> None:
    assert staging.shape == (1, 4, 4)
    assert staging.has_masks
    assert staging.views()[0, :, 0].tolist() == list(range(10))


def test_the_first_portion_may_hold_nothing(staging) -> None:
    other = Staging(staging.portions[1:])
    assert (other.shape, other.has_masks, len(other.rows)) == ((1, 4, 4), True, 6)
    assert other.place(0)[0].key == "other"


def test_a_record_is_its_row_with_its_pixels_and_its_group(staging) -> None:
    records = StagedRecords(staging, tuple(f"g{i}" for i in range(10)))
    assert len(records) == 10
    record = records[7]
    assert (record.source, record.group_id, record.patient_id) == ("file007", "g7", "p1")
    assert (record.case_id, record.case_hash) == ("c1", "hash1")
    assert (record.raw_size_px, record.spacing_mm) == ((64, 48), (5.0, 1.5, 2.5))
    assert np.unique(record.image).tolist() == np.unique(record.mask).tolist() == [7]
    assert [r.source for r in records[2:5]] == ["file002", "file003", "file004"]


def test_training_is_shuffled_by_the_seed_and_loses_no_row() -> None:
    rows, parts = [row(i) for i in range(50)], grouping(["train"] * 50)
    first, same, other = (order_of("train", rows, parts, seed, 0.0) for seed in (1, 1, 2))
    assert first == same != other
    assert sorted(first) == list(range(50)) != first


@pytest.mark.parametrize("part", ["val", "test", "fold-2"])
def test_all_other_parts_are_sorted_by_group_slice_and_file(part) -> None:
    rows = [placed("case", z, name) for z, name in ((2, "a"), (1, "c"), (1, "b"))]
    assert order_of(part, rows, grouping([part] * 3, ["g"] * 3), 0, 0.0) == [2, 1, 0]
    assert order_of(part, rows, grouping([part] * 3, ["h", "i", "g"]), 0, 0.0) == [2, 0, 1]


def test_slices_of_two_scans_of_a_patient_are_not_mixed() -> None:
    rows = [placed(case, z, case) for z in (1, 0) for case in ("later", "first")]
    assert order_of("test", rows, grouping(["test"] * 4, ["patient"] * 4), 0, 0.0) == [3, 1, 2, 0]


def test_single_images_of_a_patient_are_in_the_order_of_their_slices() -> None:
    rows = [placed("x", 2, "x", label=0), placed("y", 1, "y", label=0)]
    assert order_of("test", rows, grouping(["test"] * 2, ["patient"] * 2), 0, 0.0) == [1, 0]


def test_a_part_holds_its_own_rows_only() -> None:
    parts = grouping(["train", "val", "test", "train"])
    rows = [row(i) for i in range(4)]
    assert {part: sorted(order_of(part, rows, parts, 0, 0.0)) for part in ("train", "val", "test")} == {
        "train": [0, 3],
        "val": [1],
        "test": [2],
    }


@pytest.fixture
def half_empty():
    """60 rows, 20 a side; every even one shows a label."""
    return [row(i, (0, 5) if i % 2 == 0 else (0, 0)) for i in range(60)], grouping(["train", "val", "test"] * 20)


@pytest.mark.parametrize(("share", "left"), [(0.0, 10), (0.3, 7), (0.5, 5), (1.0, 0)])
def test_training_does_without_that_share_of_its_empty_slices(half_empty, share, left) -> None:
    rows, parts = half_empty
    kept = order_of("train", rows, parts, 0, share)
    assert sum(not any(rows[i].label_pixels) for i in kept) == left
    assert sum(any(rows[i].label_pixels) for i in kept) == 10


@pytest.mark.parametrize("part", ["val", "test"])
def test_what_is_scored_on_keeps_its_empty_slices(half_empty, part) -> None:
    rows, parts = half_empty
    assert order_of(part, rows, parts, 0, 1.0) == order_of(part, rows, parts, 0, 0.0)


def test_the_seed_decides_which_empty_slices_are_left_out_and_the_others_keep_their_order(half_empty) -> None:
    rows, parts = half_empty
    whole, some, same, other = (
        order_of("train", rows, parts, seed, share) for seed, share in ((1, 0.0), (1, 0.5), (1, 0.5), (2, 0.5))
    )
    assert some == same
    assert set(some) != set(other)
    assert some == [i for i in whole if i in set(some)]
