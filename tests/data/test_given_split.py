from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from glioray.data.given_split import read_given_split
from glioray.data.split import Split
from glioray.errors import DataError, LeakError

SIDES = {"a": "train", "b": "train", "c": "val", "d": "test"}


@pytest.fixture
def given(tmp_path):
    """`given(content)`: read from a file."""

    def read(content):
        path = tmp_path / "mine.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_given_split(path)

    return read


def rows_of(names, patients=True):
    if patients:
        return [SimpleNamespace(patient_id=name, case_id=f"scan of {name}", source="file") for name in names]
    return [SimpleNamespace(patient_id=None, case_id=f"case of {name}", source=name) for name in names]


@pytest.mark.parametrize(
    "content",
    [
        SIDES,
        {"train": ["a", "b"], "val": ["c"], "test": ["d"]},
        Split(kind="group", seed=0, groups=SIDES, patients=("a", "b", "c", "d")).model_dump(),
    ],
    ids=["mapping", "lists", "ours"],
)
def test_every_form_says_the_side_of_each(given, content) -> None:
    split = given(content)
    assert split.parts == SIDES
    assert split.folds is None
    assert split.parts_of(rows_of("dcbaa"), "dcbaa") == ["test", "val", "train", "train", "train"]


def test_the_folds_of_nnunet_are_what_the_others_do_not_validate_on(given) -> None:
    split = given([{"train": [n for n in "abcd" if n not in val], "val": list(val)} for val in ("ad", "b", "c")])
    assert split.folds == 3
    assert split.parts == {"a": "fold-0", "d": "fold-0", "b": "fold-1", "c": "fold-2"}


@pytest.mark.parametrize("form", ["mapping", "ours"])
def test_our_own_folds_are_taken(given, form) -> None:
    parts = {"a": "fold-0", "b": "fold-1", "c": "fold-2", "d": "fold-2", "e": "train"}
    whole = Split(kind="group", seed=0, groups=parts, patients=tuple("abcde")).model_dump()
    split = given(parts if form == "mapping" else whole)
    assert (split.folds, split.parts) == (3, parts)
    assert split.parts_of(rows_of("edcba"), "edcba") == ["train", "fold-2", "fold-2", "fold-1", "fold-0"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (("fold-0", "fold-1", "fold-3"), r"3 folds, \['fold-0', 'fold-1', 'fold-3'\]; wanted 'fold-0' and on"),
        (("fold-0", "fold-1", "fold-2", "val"), r"4 folds, .*'val'\]; wanted 'fold-0' and on"),
        (("fold-0", "fold-1"), r"2 folds, .*at least 3"),
        (("fold-1", "fold-2", "fold-3"), "'fold-1'; the sides are train, val, test"),
    ],
)
def test_folds_that_do_not_hold_are_refused_by_name(given, parts, said) -> None:
    with pytest.raises(DataError, match=said):
        given({f"p{number}": part for number, part in enumerate(parts)})


def test_the_digest_is_of_the_bytes(given, tmp_path) -> None:
    digest = given(SIDES).digest
    assert digest == hashlib.sha256((tmp_path / "mine.json").read_bytes()).hexdigest()


def test_images_without_a_patient_go_by_their_file(given) -> None:
    split = given({"train": ["x/1.png"], "val": ["x/2.png"], "test": ["x/3.png"]})
    rows = rows_of(["x/3.png", "x/1.png", "x/2.png"], patients=False)
    assert split.parts_of(rows, ["g0", "g1", "g2"]) == ["test", "train", "val"]


@pytest.mark.parametrize("form", ["{}", "scan of {}", "group of {}"])
def test_a_row_goes_by_its_patient_its_case_or_its_group_whichever_is_named(given, form) -> None:
    split = given({form.format(name): side for name, side in SIDES.items()})
    assert split.parts_of(rows_of("dcba"), [f"group of {name}" for name in "dcba"]) == ["test", "val", "train", "train"]


def test_what_is_not_named_in_any_way_is_refused_by_its_patient(given) -> None:
    with pytest.raises(DataError, match="the first that is missing is 'a'"):
        given({"x": "train", "y": "val", "z": "test"}).parts_of(rows_of("abc"), "abc")


def test_a_patient_without_a_side_is_refused_by_name(given) -> None:
    with pytest.raises(DataError, match=r"names 4 of 6 patients or files; the first that is missing is 'e'"):
        given(SIDES).parts_of(rows_of("abcdfe"), "abcdfe")


def test_names_of_nobody_do_no_harm(given) -> None:
    assert given(SIDES | {"gone": "train"}).parts_of(rows_of("abcd"), "abcd") == list(SIDES.values())


def test_a_side_of_which_nobody_was_read_is_refused(given) -> None:
    with pytest.raises(DataError, match="nobody of those in 'val' was read"):
        given(SIDES).parts_of(rows_of("abd"), "abd")


def test_an_unknown_side_is_refused(given) -> None:
    with pytest.raises(DataError, match=r"'c' is put in 'valid'; the sides are train, val, test"):
        given(SIDES | {"c": "valid"})


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"train": ["a", "b"], "val": ["c", "a"], "test": ["d"]}, "a"),
        ('{"a": "train", "b": "val", "c": "test", "a": "test"}', "a"),
        ('{"train": ["a"], "val": ["b"], "test": ["c"], "val": ["d"]}', "val"),
        ([{"val": ["a"]}, {"val": ["b"]}, {"val": ["c", "b"]}], "b"),
    ],
)
def test_a_name_that_stands_there_twice_is_refused(given, content, name) -> None:
    with pytest.raises(DataError, match=f"'{name}' stands there twice"):
        given(content)


@pytest.mark.parametrize(
    "content",
    [
        {"train": ["a"], "val": ["b"], "test": []},
        {"train": ["a"], "val": ["b"]},
        {"a": "train", "b": "val"},
        {},
        [{"val": ["a"]}, {"val": []}, {"val": ["c"]}],
        [{"val": ["a"]}, {"val": "b"}, {"val": ["c"]}],
    ],
)
def test_an_empty_side_is_refused(given, content) -> None:
    with pytest.raises(DataError, match="nobody is in"):
        given(content)


@pytest.mark.parametrize("content", ["", "{", "7", '"train"', "null", "[]", '[{"val": ["a"]}]', "[1, 2, 3]", "\x00"])
def test_what_is_no_split_is_one_line(given, content) -> None:
    with pytest.raises(DataError, match=r"mine\.json") as raised:
        given(content)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: not a readable split"):
        read_given_split(tmp_path / "nowhere.json")


def test_copies_on_two_sides_are_a_leak(given) -> None:
    split = given({"train": ["1.png", "2.png"], "val": ["3.png"], "test": ["4.png"]})
    rows = rows_of(["1.png", "2.png", "3.png", "4.png"], patients=False)
    with pytest.raises(LeakError, match=r"'2.png' is in train and '4.png' in test, but they copy each other"):
        split.parts_of(rows, ["g0", "g1", "g2", "g1"])


def test_patients_that_were_joined_must_stand_on_one_side(given) -> None:
    groups = ["a", "b+c", "b+c", "d"]
    with pytest.raises(LeakError, match="'b' is in train and 'c' in val, but they copy each other"):
        given(SIDES).parts_of(rows_of("abcd"), groups, [("b", "c")])
    assert given(SIDES | {"b": "val"}).parts_of(rows_of("abcd"), groups, [("b", "c")])[1] == "val"


def test_a_split_of_ours_names_groups_of_copies_by_their_group(given) -> None:
    split = given({"groups": {"g00000": "train", "g00001": "val", "g00003": "test"}})
    rows = rows_of(["x.png", "y.png", "y2.png", "z.png"], patients=False)
    assert split.parts_of(rows, ["g00000", "g00001", "g00001", "g00003"]) == ["train", "val", "val", "test"]


def test_a_split_that_is_nested_too_deeply_is_refused(given) -> None:
    with pytest.raises(DataError, match=r"not a readable split \(it is nested too deeply\)"):
        given('{"train": ' + "[" * 20_000 + "]" * 20_000 + "}")
