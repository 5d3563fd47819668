from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from glioray.errors import ClusterError
from glioray.training.checkpoints import (
    HASHES,
    best_sound,
    checkpoint_name,
    checkpoints,
    damage,
    full_disk_told,
    keep,
    newest_sound,
    seal,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "model").write_bytes(b"weights")
    seal(folder)
    return folder


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Path:
    """Epochs 1 to 3, of which 1 is the best."""
    folder = tmp_path / "run"
    folder.mkdir()
    for epoch in (1, 2, 3):
        keep(source, folder, 1, epoch)
    return folder


def names(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir())


def test_a_checkpoint_is_sound_as_it_was_written(run: Path) -> None:
    assert [damage(checkpoint) for checkpoint in checkpoints(run)] == [None, None, None]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda checkpoint: (checkpoint / "model").write_bytes(b"weightS"), "model is not what was written"),
        (lambda checkpoint: (checkpoint / "model").unlink(), "model is missing"),
        (lambda checkpoint: (checkpoint / HASHES).unlink(), "hashes.json is missing"),
        (lambda checkpoint: (checkpoint / HASHES).write_text("{"), "not readable"),
        (lambda checkpoint: (checkpoint / HASHES).write_text("[1]"), "not readable"),
        (lambda checkpoint: (checkpoint / HASHES).write_bytes(b"\xff\x00"), "not readable"),
    ],
)
def test_each_kind_of_damage_is_found(run: Path, harm: object, words: str) -> None:
    harm(run / checkpoint_name(3))  # type: ignore[operator]
    assert words in (damage(run / checkpoint_name(3)) or "")


def test_the_best_and_the_last_two_are_kept(run: Path, source: Path) -> None:
    keep(source, run, 1, 4)
    assert names(run) == [checkpoint_name(epoch) for epoch in (1, 3, 4)]


def test_a_damaged_one_is_set_aside_and_the_one_before_is_taken(run: Path) -> None:
    (run / checkpoint_name(3) / "model").write_bytes(b"half")
    lines: list[str] = []
    assert newest_sound(run, lines.append) == run / checkpoint_name(2)
    assert names(run) == ["checkpoint_00001", "checkpoint_00002", "damaged_checkpoint_00003"]
    assert "set aside as damaged_checkpoint_00003, goes on from checkpoint_00002" in lines[0]


def test_a_second_damaged_one_of_an_epoch_does_not_replace_the_first(run: Path, source: Path) -> None:
    for _ in range(2):
        (run / checkpoint_name(3) / "model").unlink()
        newest_sound(run, lambda line: None)
        keep(source, run, 1, 3)
    assert [name for name in names(run) if name.startswith("damaged")] == [
        "damaged_checkpoint_00003",
        "damaged_checkpoint_00003-2",
    ]


def test_with_none_left_it_says_that_it_begins_anew(run: Path) -> None:
    for checkpoint in checkpoints(run):
        (checkpoint / "model").unlink()
    lines: list[str] = []
    assert newest_sound(run, lines.append) is None
    assert "no other is left: begins anew" in lines[-1]


def test_a_damaged_best_one_is_replaced_by_the_best_that_is_left(run: Path) -> None:
    (run / checkpoint_name(1) / "model").unlink()
    lines: list[str] = []
    assert best_sound(run, [0.9, 0.5, 0.5], 1, lines.append) == run / checkpoint_name(2)
    assert "checkpoint_00002 is the best that is left" in lines[0]


def test_what_a_kill_left_of_a_copy_is_written_anew(run: Path, source: Path) -> None:
    half = run / f".{checkpoint_name(4)}.partial"
    half.mkdir()
    (half / "other").write_text("of a run before")
    keep(source, run, 1, 4)
    assert sorted(path.name for path in (run / checkpoint_name(4)).iterdir()) == [HASHES, "model"]


def test_a_run_folder_that_is_not_there_yet_is_made(source: Path, tmp_path: Path) -> None:
    keep(source, tmp_path / "runs" / "new", 1, 1)
    assert damage(tmp_path / "runs" / "new" / checkpoint_name(1)) is None


def test_a_full_disk_leaves_the_old_checkpoints_as_they_were(
    run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ClusterError, match="no room for the next checkpoint .No space left on device."):
        keep(source, run, 1, 4)
    assert names(run) == [checkpoint_name(epoch) for epoch in (1, 2, 3)]


def test_another_error_of_the_system_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_told(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_hashes_can_be_read_by_other_tools(source: Path) -> None:
    assert json.loads((source / HASHES).read_text()).keys() == {"model"}


def test_hashes_that_are_nested_too_deeply_are_damage(tmp_path):
    (tmp_path / HASHES).write_text('{"a":' * 20_000 + "1" + "}" * 20_000)

    assert damage(tmp_path) == "not readable (it is nested too deeply)"
