from __future__ import annotations

from pathlib import Path

import pytest

from glioray.registry.run_folder import RunFolder
from glioray.remote import RemoteFolder
from glioray.training.checkpoints import checkpoints, damage, newest_sound, seal


@pytest.fixture
def place(bucket: str) -> str:
    return f"{bucket}/runs/one"


def write(folder: Path, **contents: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)


def checkpoint(run: RunFolder, epoch: int, content: str) -> Path:
    folder = run.path / f"checkpoint_{epoch:05d}"
    write(folder, weights=content)
    seal(folder)
    return folder


def forget(run: RunFolder) -> RunFolder:
    """As another machine would see it, whose copy is empty."""
    run.path.rename(run.path.with_name("of another machine"))
    return RunFolder(run.place)


def names(place: str) -> list[str]:
    return RemoteFolder(place).names()


def test_a_path_is_its_own_folder_and_nothing_is_sent(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path))
    write(tmp_path, metrics="1")
    for step in (run.fetch, run.send, run.fetch_checkpoints, run.send_checkpoints):
        step()
    assert run.path == tmp_path
    assert [file.name for file in tmp_path.iterdir()] == ["metrics"]


def test_another_machine_finds_what_was_sent(place: str) -> None:
    run = RunFolder(place)
    write(run.path, recipe="r")
    run.send()
    other = forget(run)
    other.fetch()
    assert (other.path / "recipe").read_text() == "r"


def test_only_what_is_new_is_sent_and_what_is_gone_is_removed(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(place)
    write(run.path, recipe="r", metrics="1")
    run.send()
    sent: list[str] = []
    monkeypatch.setattr(RemoteFolder, "send", lambda _, names: sent.extend(names))
    write(run.path, metrics="1, 2")
    (run.path / "recipe").unlink()
    run.send()
    assert sent == ["metrics"]
    assert "recipe" not in names(place)


def test_what_lies_in_the_copy_from_before_gives_way(place: str) -> None:
    run = RunFolder(place)
    write(run.path, stale="of a run that was removed")
    run.fetch()
    assert not (run.path / "stale").exists()


def test_a_bundle_that_was_sent_in_part_is_none(place: str) -> None:
    run = RunFolder(place)
    RemoteFolder(place).write("bundle/model.safetensors", b"w")
    run.fetch()
    assert not (run.path / "bundle").exists()
    RemoteFolder(place).write("bundle/config.json", b"{}")
    run.fetch()
    assert (run.path / "bundle/model.safetensors").read_bytes() == b"w"


def test_the_file_that_completes_a_bundle_is_sent_last(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(place)
    write(run.path / "bundle", **{"config.json": "{}", "model.safetensors": "w"})
    write(run.path, curves="c")
    sent: list[str] = []
    monkeypatch.setattr(RemoteFolder, "send", lambda _, names: sent.extend(names))
    run.send()
    assert sent == ["curves", "bundle/model.safetensors", "bundle/config.json"]


def test_checkpoints_are_kept_alike_and_their_hashes_come_last(place: str) -> None:
    run = RunFolder(place)
    for epoch in (1, 2):
        checkpoint(run, epoch, f"weights of {epoch}")
        run.send_checkpoints()
    (run.path / "checkpoint_00001/weights").unlink()
    (run.path / "checkpoint_00001/hashes.json").unlink()
    run.send_checkpoints()
    assert names(place) == ["checkpoint_00002/hashes.json", "checkpoint_00002/weights"]
    other = forget(run)
    other.fetch_checkpoints()
    assert [damage(found) for found in checkpoints(other.path)] == [None]


def test_a_checkpoint_that_was_sent_in_part_is_none(place: str) -> None:
    RemoteFolder(place).write("checkpoint_00003/weights", b"w")
    run = RunFolder(place)
    run.fetch_checkpoints()
    assert checkpoints(run.path) == []


def test_a_damaged_checkpoint_is_set_aside_at_the_address_too(place: str) -> None:
    run, lines = RunFolder(place), []
    checkpoint(run, 1, "sound")
    checkpoint(run, 2, "sound")
    run.send_checkpoints()
    RemoteFolder(place).write("checkpoint_00002/weights", b"not so")
    other = forget(run)
    other.fetch_checkpoints()
    newest = newest_sound(other.path, lines.append)
    other.send_checkpoints()
    assert newest is not None
    assert newest.name == "checkpoint_00001"
    assert {name.partition("/")[0] for name in names(place)} == {"checkpoint_00001", "damaged_checkpoint_00002"}


def test_a_worker_that_needs_one_checkpoint_fetches_that(place: str) -> None:
    run = RunFolder(place)
    checkpoint(run, 1, "one")
    checkpoint(run, 2, "two")
    run.send_checkpoints()
    other = forget(run)
    other.fetch_checkpoints("checkpoint_00002")
    assert [found.name for found in checkpoints(other.path)] == ["checkpoint_00002"]
