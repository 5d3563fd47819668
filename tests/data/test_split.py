from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioray.data.split import Split, part_names, sides_of_fold, split_by_group, split_to_folds
from glioray.errors import DataError, LeakError


def split(groups, labels, val_fraction=0.15, test_fraction=0.15, seed=0, **more):
    """Of rows: each group's stratum is its label, its size the number of its rows."""
    strata = dict(zip(groups, labels, strict=True))
    return split_by_group(strata, Counter(groups), val_fraction, test_fraction, seed, **more)


def fold(groups, labels, folds=5, seed=0, **more):
    return split_to_folds(dict(zip(groups, labels, strict=True)), Counter(groups), folds, seed, **more)


def numbered(count, rows=1):
    return [f"g{i // rows:03}" for i in range(count * rows)]


def test_split_refuses_a_group_on_two_sides() -> None:
    rows = [("BraTS20_137", "train")] * 62 + [("other", "test")] + [("BraTS20_137", "val")] * 15
    with pytest.raises(LeakError) as raised:
        Split.of_rows(rows, "group", 0, where="data/brats2020/split.json")
    assert str(raised.value) == (
        "group 'BraTS20_137' is in train (62 slices) and in val (15 slices). A split is by group: "
        "mend or delete data/brats2020/split.json and run `glioray prepare` again."
    )


def test_a_group_in_two_folds_is_a_leak() -> None:
    with pytest.raises(LeakError, match=r"group 'a' is in fold-0 \(1 slices\) and in fold-2 \(2 slices\)"):
        Split.of_rows([("a", "fold-2"), ("a", "fold-0"), ("a", "fold-2")], "group", 0)


def test_a_split_comes_back_from_its_file_as_it_was(tmp_path) -> None:
    split = Split.of_rows([("b", "test"), ("a", "train"), ("a", "train")], "group", 7, ["b", "a", "a"])
    split.save(tmp_path)
    assert Split.load(tmp_path) == split
    assert split.on("train") == ("a",)
    assert split.patients == ("a", "b")


@pytest.mark.parametrize("content", ['{"kind": "gro', pytest.param("[" * 100_000, id="deep")])
def test_a_damaged_split_file_is_one_line(tmp_path, content) -> None:
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=r"split\.json: not a split") as raised:
        Split.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_every_class_reaches_its_part_of_every_side() -> None:
    groups = numbered(200, rows=2)
    labels = [i // 2 % 4 for i in range(400)]
    sides = split(groups, labels)
    counts = Counter((sides[g], label) for g, label in zip(groups, labels, strict=True))
    assert all(counts[side, label] == 14 for side in ("val", "test") for label in range(4))


def test_the_seed_decides_the_split() -> None:
    groups = numbered(60)
    first, same, other = (split(groups, [0] * 60, 0.2, 0.2, seed) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_the_order_of_rows_does_not_matter() -> None:
    groups, labels = numbered(20, rows=3), [i // 3 % 2 for i in range(60)]
    assert split(groups, labels) == split(groups[::-1], labels[::-1])
    assert fold(groups, labels) == fold(groups[::-1], labels[::-1])


def test_a_group_with_two_labels_stays_in_training() -> None:
    sides = [split(numbered(10), [0] * 10, 0.3, 0.3, seed, train_only=["g003"]) for seed in range(20)]
    assert {side["g003"] for side in sides} == {"train"}


def test_three_groups_give_one_to_each_side() -> None:
    assert sorted(split("abc", [0] * 3, 0.1, 0.1).values()) == ["test", "train", "val"]


def test_two_groups_are_too_few() -> None:
    with pytest.raises(DataError, match=r"at least 3 groups .* there are 2"):
        split("abb", [0, 1, 1], 0.1, 0.1)


def test_classes_of_one_group_each_still_fill_every_side() -> None:
    assert set(split("abcd", range(4), 0.1, 0.1).values()) == {"train", "val", "test"}


def test_a_group_larger_than_the_test_side_goes_to_training() -> None:
    groups = ["large"] * 50 + numbered(50)
    assert {split(groups, [0] * 100, seed=seed)["large"] for seed in range(10)} == {"train"}


def test_no_test_side_is_made_where_none_is_asked_for() -> None:
    assert set(split(numbered(20), [0] * 20, 0.2, 0.0).values()) == {"train", "val"}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=80),
    st.floats(0.05, 0.4),
    st.floats(0.05, 0.4),
)
def test_any_data_split_or_refused_never_half(rows, val_fraction, test_fraction) -> None:
    groups = [f"g{group}" for group, _ in rows]
    labels = [label for _, label in rows]
    if len(set(groups)) < 3:
        with pytest.raises(DataError):
            split(groups, labels, val_fraction, test_fraction)
        return
    sides = split(groups, labels, val_fraction, test_fraction)
    assert set(sides) == set(groups)
    assert set(sides.values()) == {"train", "val", "test"}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=80),
    st.integers(3, 6),
    st.integers(0, 9),
)
def test_every_group_is_in_one_fold_and_no_fold_is_empty(rows, folds, seed) -> None:
    groups = [f"g{group}" for group, _ in rows]
    if len(set(groups)) < folds:
        with pytest.raises(DataError, match=f"at least {folds} groups"):
            fold(groups, [label for _, label in rows], folds, seed)
        return
    parts = fold(groups, [label for _, label in rows], folds, seed)
    assert set(parts) == set(groups)
    assert set(parts.values()) == {f"fold-{number}" for number in range(folds)}


@given(
    st.dictionaries(st.sampled_from(numbered(30)), st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=8),
    st.data(),
)
def test_the_order_of_groups_decides_nothing(groups, data) -> None:
    """Neither of a split nor of folds; and whoever draws it again gets the same."""
    ordered = data.draw(st.permutations(sorted(groups)))
    seed, alone = data.draw(st.integers(0, 99)), data.draw(st.lists(st.sampled_from(ordered), max_size=2))
    given_as = [({g: groups[g][0] for g in order}, {g: groups[g][1] for g in order}) for order in (groups, ordered)]

    splits = [split_by_group(*one, 0.2, 0.2, seed, alone) for one in given_as]
    folds = [split_to_folds(*one, 4, seed, alone) for one in given_as]

    assert splits[0] == splits[1]
    assert folds[0] == folds[1]
    assert {splits[0][g] for g in alone} | {folds[0][g] for g in alone} <= {"train"}


@given(st.integers(8, 200), st.floats(0.1, 0.4), st.floats(0.1, 0.4), st.integers(0, 99))
def test_equal_groups_come_within_one_of_the_shares_asked_for(count, val_fraction, test_fraction, seed) -> None:
    sides = Counter(split(numbered(count), [0] * count, val_fraction, test_fraction, seed).values())

    assert abs(sides["val"] - val_fraction * count) <= 1
    assert abs(sides["test"] - test_fraction * count) <= 1


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["train", "val", "test"])), max_size=12))
def test_rows_are_a_split_just_if_no_group_is_in_two_parts(rows) -> None:
    if len(set(rows)) > len({group for group, _ in rows}):
        with pytest.raises(LeakError):
            Split.of_rows(rows, "group", 0)
        return
    assert Split.of_rows(rows, "group", 0).groups == dict(rows)


def test_every_stratum_is_spread_over_all_folds() -> None:
    groups, labels = numbered(60), [i % 3 for i in range(60)]
    parts = fold(groups, labels)
    counts = Counter((parts[g], label) for g, label in zip(groups, labels, strict=True))
    assert len(counts) == 15
    assert set(counts.values()) == {4}


def test_folds_are_of_equal_size_though_groups_are_not() -> None:
    groups = [f"g{i}" for i in range(20) for _ in range(i + 1)]
    parts = fold(groups, [0] * len(groups))
    rows = Counter(parts[group] for group in groups)
    assert max(rows.values()) - min(rows.values()) <= 4


@pytest.mark.parametrize("strata", [4, 24])
def test_what_is_left_over_of_each_stratum_does_not_all_land_in_the_first_fold(strata) -> None:
    """24 groups in five folds: of four strata one each is left over; 24 strata are too small to be spread alone."""
    parts = fold(numbered(24), [i % strata for i in range(24)])
    assert sorted(Counter(parts.values()).values()) == [4, 5, 5, 5, 5]


def test_the_seed_decides_the_folds() -> None:
    first, same, other = (fold(numbered(40), [0] * 40, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_a_group_with_two_labels_is_in_no_fold() -> None:
    parts = fold(numbered(12), [0] * 12, train_only=["g003"])
    assert parts["g003"] == "train"
    assert all(sides_of_fold(number, 5)[parts["g003"]] == "train" for number in range(5))


def test_a_fold_is_test_once_and_val_once() -> None:
    views = [sides_of_fold(number, 4) for number in range(4)]
    for part in part_names(4)[:-1]:
        assert Counter(view[part] for view in views) == {"train": 2, "val": 1, "test": 1}


def test_the_view_of_a_fold_has_the_same_groups_on_three_sides() -> None:
    folds = Split(kind="group", seed=0, groups=fold(numbered(20), [0] * 20, 4))
    view = folds.of_fold(3, 4)
    assert view.on("test") == folds.on("fold-3")
    assert view.on("val") == folds.on("fold-0")
    assert set(view.on("train")) == {*folds.on("fold-1"), *folds.on("fold-2")}
