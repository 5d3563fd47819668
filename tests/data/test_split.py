from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glioray.data.split import Split, split_by_group
from glioray.errors import DataError, LeakError

NUM_ROWS = 400


def rows_on(side, groups, sides):
    return sum(sides[group] == side for group in groups)


def test_split_refuses_a_group_on_two_sides() -> None:
    rows = [("BraTS20_137", "train")] * 62 + [("other", "test")] + [("BraTS20_137", "val")] * 15
    with pytest.raises(LeakError) as raised:
        Split.of_rows(rows, "group", 0, where="data/brats2020/split.json")
    assert str(raised.value) == (
        "group 'BraTS20_137' is in train (62 slices) and in val (15 slices). A split is by group: "
        "delete data/brats2020/split.json and run `glioray prepare` again."
    )


def test_a_split_comes_back_from_its_file_as_it_was(tmp_path) -> None:
    split = Split.of_rows([("b", "test"), ("a", "train"), ("a", "train")], "group", 7, ["a", "b"])
    split.save(tmp_path)
    assert Split.load(tmp_path) == split
    assert split.on("train") == ("a",)


def test_a_damaged_split_file_is_one_line(tmp_path) -> None:
    (tmp_path / "split.json").write_text('{"kind": "gro')
    with pytest.raises(DataError, match=r"split\.json: not a split") as raised:
        Split.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_every_class_reaches_its_part_of_every_side() -> None:
    groups = [f"g{i // 2}" for i in range(NUM_ROWS)]
    labels = [i // 2 % 4 for i in range(NUM_ROWS)]
    sides = split_by_group(groups, labels, 0.15, 0.15, seed=0)
    counts = Counter((sides[g], label) for g, label in zip(groups, labels, strict=True))
    assert all(counts[side, label] == 14 for side in ("val", "test") for label in range(4))


def test_the_seed_decides_the_split() -> None:
    groups = [f"g{i}" for i in range(60)]
    first, same, other = (split_by_group(groups, [0] * 60, 0.2, 0.2, seed) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_the_order_of_rows_does_not_matter() -> None:
    groups = [f"g{i % 20}" for i in range(60)]
    labels = [i % 20 % 2 for i in range(60)]
    assert split_by_group(groups, labels, 0.2, 0.2, 0) == split_by_group(groups[::-1], labels[::-1], 0.2, 0.2, 0)


def test_a_group_with_two_labels_stays_in_training() -> None:
    groups = [f"g{i}" for i in range(10)]
    sides = [split_by_group(groups, [0] * 10, 0.3, 0.3, seed, train_only=["g3"]) for seed in range(20)]
    assert {side["g3"] for side in sides} == {"train"}


def test_three_groups_give_one_to_each_side() -> None:
    assert sorted(split_by_group(["a", "b", "c"], [None] * 3, 0.1, 0.1, 0).values()) == ["test", "train", "val"]


def test_two_groups_are_too_few() -> None:
    with pytest.raises(DataError, match=r"at least 3 groups .* there are 2"):
        split_by_group(["a", "b", "b"], [0, 1, 1], 0.1, 0.1, 0)


def test_classes_of_one_group_each_still_fill_every_side() -> None:
    sides = split_by_group(["a", "b", "c", "d"], [0, 1, 2, 3], 0.1, 0.1, 0)
    assert set(sides.values()) == {"train", "val", "test"}


def test_without_classes_patients_are_counted_not_slices() -> None:
    groups = ["large"] * 900 + [f"p{i}" for i in range(19)]
    sides = split_by_group(groups, [None] * len(groups), 0.15, 0.15, 0)
    assert Counter(sides.values()) == {"train": 14, "val": 3, "test": 3}


def test_a_group_larger_than_the_test_side_goes_to_training() -> None:
    groups = ["large"] * 50 + [f"g{i}" for i in range(50)]
    for seed in range(10):
        assert split_by_group(groups, [0] * 100, 0.15, 0.15, seed)["large"] == "train"


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=80),
    st.floats(0.05, 0.4),
    st.floats(0.05, 0.4),
)
@settings(max_examples=60, deadline=None)
def test_any_data_split_or_refused_never_half(rows, val_fraction, test_fraction) -> None:
    groups = [f"g{group}" for group, _ in rows]
    labels = [label for _, label in rows]
    if len(set(groups)) < 3:
        with pytest.raises(DataError):
            split_by_group(groups, labels, val_fraction, test_fraction, 0)
        return
    sides = split_by_group(groups, labels, val_fraction, test_fraction, 0)
    assert set(sides) == set(groups)
    assert set(sides.values()) == {"train", "val", "test"}
