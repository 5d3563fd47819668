from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glioray.data import staging as staging_module
from glioray.data.records import Case, Refused
from glioray.data.staging import Row, is_staged, load_staged, portions_of, stage


@pytest.fixture
def cases(tmp_path):
    """Ten cases of a file of 100 bytes each."""
    found = []
    for number in range(10):
        path = tmp_path / f"file{number}"
        path.write_bytes(bytes([number]) * 100)
        found.append(Case(f"case{number}", (path,), patient_id=f"p{number}"))
    return found


def move(path, to):
    to.parent.mkdir(exist_ok=True)
    return path.rename(to)


def digests_of(cases):
    return {path: path.read_bytes().hex() for case in cases for path in case.files}


def row(number, **changed):
    values = {
        "case_id": f"case{number}",
        "case_hash": f"hash{number}",
        "source": f"file{number}",
        "slice_index": number,
        "label": None,
        "patient_id": "p",
        "published_side": "test",
        "brain_mean": 1.25,
        "brain_std": 1 / 3,
        "brain_fraction": 0.5,
        "raw_height": 64,
        "raw_width": 48,
        "spacing_mm": (5.0, 1.5, 1.5),
        "raw_spacing_mm": (5.0, 0.75, 0.75),
        "label_pixels": (3, 0),
        "intensity": ((0.1, 2.5), (0.0, 1.0)),
    }
    return Row(**values | changed)


def portions_in(cases, decisive="settings"):
    return portions_of(cases, cases[-1].files[0].parent, digests_of(cases), decisive)


def keys(cases, decisive="settings"):
    return [portion.key for portion in portions_in(cases, decisive)]


def test_a_portion_holds_so_many_cases_in_their_order(cases, monkeypatch) -> None:
    monkeypatch.setattr(staging_module, "MOST_CASES", 4)
    portions = portions_in(cases)
    assert [len(portion.cases) for portion in portions] == [4, 4, 2]
    assert [case for portion in portions for case in portion.cases] == cases


def test_a_portion_holds_so_many_bytes_unless_one_case_has_more(cases, monkeypatch) -> None:
    monkeypatch.setattr(staging_module, "MOST_RAW_BYTES", 250)
    cases[4].files[0].write_bytes(b"x" * 1000)
    portions = portions_in(cases)
    assert [len(portion.cases) for portion in portions] == [2, 2, 1, 2, 2, 1]
    assert portions[2].cases == (cases[4],)


def test_a_changed_file_changes_the_key_of_its_portion_only(cases, monkeypatch) -> None:
    monkeypatch.setattr(staging_module, "MOST_CASES", 4)
    before = keys(cases)
    assert keys(cases) == before
    cases[5].files[0].write_bytes(b"y" * 100)
    assert [one == other for one, other in zip(before, keys(cases), strict=True)] == [True, False, True]


@pytest.mark.parametrize("change", [{"label": 1}, {"patient_id": "q"}, {"published_side": "val"}, {"case_id": "x"}])
def test_whatever_stands_in_a_row_is_in_the_key(cases, change) -> None:
    other = Case(**{**vars(cases[0]), **change})
    assert keys([other, *cases[1:]]) != keys(cases)


def test_names_of_files_are_in_the_key_but_not_the_folder_of_all(cases, tmp_path) -> None:
    before = keys(cases)
    moved = [replace(case, files=(move(case.files[0], tmp_path / "else" / case.files[0].name),)) for case in cases]
    assert keys(moved) == before
    renamed = replace(moved[0], files=(move(moved[0].files[0], tmp_path / "else" / "other"),))
    assert keys([renamed, *moved[1:]]) != before


def test_the_hash_of_a_case_is_of_contents_only(cases, tmp_path) -> None:
    before = portions_in(cases)[0].hashes
    assert len(set(before)) == 10
    renamed = replace(cases[0], case_id="x", patient_id=None, files=(move(cases[0].files[0], tmp_path / "other"),))
    cases[1].files[0].write_bytes(b"y" * 100)
    after = portions_in([renamed, *cases[1:]])[0].hashes
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False] + [True] * 8


def test_other_settings_have_other_keys(cases) -> None:
    assert not set(keys(cases)) & set(keys(cases, "other settings"))


@pytest.mark.parametrize("has_masks", [True, False])
def test_what_was_staged_comes_back_as_it_was(tmp_path, has_masks) -> None:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (count, 2, 16, 16), dtype=np.uint8) for count in (2, 3)]
    masks = [generator.integers(0, 3, (count, 16, 16), dtype=np.uint8) for count in (2, 3)] if has_masks else []
    views = [generator.random((3, count, 1024), dtype=np.float32) for count in (2, 3)]
    rows = [row(i) for i in range(4)] + [row(4, spacing_mm=None, raw_spacing_mm=None, label=7, label_pixels=())]
    refused = [Refused(source="x", reason="broken")]
    stage(tmp_path, "key", images, masks, views, rows, refused)
    staged = load_staged(tmp_path, "key")
    assert staged.rows == tuple(rows)
    assert staged.refused == tuple(refused)
    assert np.array_equal(staged.views(), np.concatenate(views, axis=1))
    for index in range(5):
        assert np.array_equal(staged.image(index), np.concatenate(images)[index])
        if has_masks:
            assert np.array_equal(staged.mask(index), np.concatenate(masks)[index])
        else:
            assert staged.mask(index) is None


def test_turned_pixels_are_staged_as_they_look(tmp_path) -> None:
    image = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)[::-1, :, ::-1, ::-1]
    stage(tmp_path, "key", [image], [], [np.zeros((1, 2, 1024), np.float32)], [row(0), row(1)], [])
    staged = load_staged(tmp_path, "key")
    assert np.array_equal(np.stack([staged.image(0), staged.image(1)]), image)


def test_a_portion_that_was_read_whole_is_staged(tmp_path) -> None:
    pixels = np.zeros((1, 1, 4, 4), np.uint8)
    stage(tmp_path, "key", [pixels], [], [np.zeros((1, 1, 1024), np.float32)], [row(0)], [])
    assert is_staged(tmp_path, "key")
    assert not is_staged(tmp_path, "other")


def test_a_portion_of_which_nothing_can_be_read_comes_back_but_is_read_again(tmp_path) -> None:
    stage(tmp_path, "key", [], [], [], [], [Refused(source="x", reason="broken")])
    assert not is_staged(tmp_path, "key")
    assert load_staged(tmp_path, "key").rows == ()
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


@pytest.mark.parametrize("lost", ["images", "masks", "views"])
def test_a_portion_whose_last_file_is_not_there_is_not_staged(tmp_path, monkeypatch, lost) -> None:
    """The JSON comes last, so whoever is killed before it has staged nothing."""
    whole = staging_module.write_whole

    def killed(path, *parts):
        if path.suffix == f".{lost}":
            raise KeyboardInterrupt
        whole(path, *parts)

    monkeypatch.setattr(staging_module, "write_whole", killed)
    pixels = np.zeros((1, 1, 4, 4), np.uint8)
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, "key", [pixels], [pixels[:, 0]], [np.zeros((1, 1, 1024), np.float32)], [row(0)], [])
    assert not is_staged(tmp_path, "key")
