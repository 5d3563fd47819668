from __future__ import annotations

import errno
import os
import shutil
import socket

import numpy as np
import pytest

from glioray.data import folder as folder_module
from glioray.data.folder import atomic_folder, check_output, require_space, write_whole
from glioray.errors import DataError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(folder, text):
    with atomic_folder(folder) as partial:
        (partial / "split=train").mkdir()
        (partial / "manifest.json").write_text(text)


def test_a_folder_appears_whole(tmp_path) -> None:
    make(tmp_path / "deep" / "out", "new")
    assert names(tmp_path / "deep" / "out") == ["manifest.json", "split=train"]
    assert names(tmp_path / "deep") == ["out"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_older_data_set_is_replaced(tmp_path, monkeypatch, can_exchange) -> None:
    if not can_exchange:
        monkeypatch.setattr(folder_module, "_exchange", lambda one, other: False)
    make(tmp_path / "out", "old")
    make(tmp_path / "out", "new")
    assert (tmp_path / "out" / "manifest.json").read_text() == "new"
    assert names(tmp_path) == ["out"]


def fail_inside(folder, error):
    with atomic_folder(folder) as partial:
        (partial / "half").write_text("written")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), DataError("no")])
def test_an_error_leaves_the_old_data_set_and_nothing_else(tmp_path, error) -> None:
    make(tmp_path / "out", "old")
    with pytest.raises(type(error)):
        fail_inside(tmp_path / "out", error)
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path) -> None:
    with pytest.raises(DataError, match=r"no space left: more than 7 bytes are needed, .* are free"):
        fail_inside(tmp_path / "out", OSError(errno.ENOSPC, "No space left on device"))
    assert names(tmp_path) == []


def test_leftovers_of_a_killed_run_are_removed_and_those_of_a_living_one_kept(tmp_path) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    (tmp_path / f".out.partial-{socket.gethostname()}-{dead}").mkdir()
    (tmp_path / f".out.partial-{socket.gethostname()}-{os.getppid()}").mkdir()
    make(tmp_path / "out", "new")
    assert names(tmp_path) == [f".out.partial-{socket.gethostname()}-{os.getppid()}", "out"]


@pytest.mark.parametrize("name", ["thesis.docx", "manifest.json"])
def test_a_folder_that_holds_something_else_is_refused(tmp_path, name) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DataError, match=name):
        check_output(tmp_path)


def test_a_data_set_with_a_stranger_in_it_is_refused(tmp_path) -> None:
    make(tmp_path / "out", "old")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"notes\.txt"):
        check_output(tmp_path / "out")


def test_a_file_is_refused_as_output(tmp_path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DataError, match="not a folder"):
        check_output(tmp_path / "out")


def test_new_empty_and_prepared_folders_are_taken(tmp_path) -> None:
    make(tmp_path / "out", "old")
    (tmp_path / "empty").mkdir()
    for name in ("out", "empty", "new"):
        check_output(tmp_path / name)


def test_parts_are_written_one_after_the_other_as_they_look(tmp_path) -> None:
    turned = np.arange(6, dtype=np.uint8).reshape(2, 3)[::-1, ::-1]
    write_whole(tmp_path / "x", b"ab", turned, np.array([1.5], dtype=np.float32))
    assert (tmp_path / "x").read_bytes() == b"ab\x05\x04\x03\x02\x01\x00" + np.float32(1.5).tobytes()
    assert names(tmp_path) == ["x"]


def test_a_file_that_cannot_be_written_to_its_end_stays_as_it_was(tmp_path) -> None:
    class Full:
        def __array__(self, *_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    write_whole(tmp_path / "x", b"old")
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "x", b"new", Full())
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_a_disk_that_cannot_hold_it_is_refused_with_both_numbers(tmp_path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    require_space(tmp_path, free_bytes // 2)
    with pytest.raises(DataError, match=r"no space left: [\d,]+ bytes are needed, [\d,]+ are free"):
        require_space(tmp_path, 2 * free_bytes)
