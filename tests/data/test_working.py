from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from glioray.data.working import working_folder
from glioray.errors import DataError, LeakError, UnreadableError

KILLED = """
import os, pathlib, signal, sys
from glioray.data.working import working_folder
with working_folder(pathlib.Path(sys.argv[1])) as work:
    (work / "half").write_text("written")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_inside(out, error):
    with working_folder(out) as work:
        (work / "half").write_text("written")
        raise error


def fail_with_nothing_made(out, error):
    with working_folder(out) as work:
        (work / "read").mkdir()
        raise error


def test_the_folder_is_beside_the_output_and_gone_after_success(tmp_path) -> None:
    with working_folder(tmp_path / "deep" / "out") as work:
        assert work.parent == tmp_path / "deep"
        assert names(work) == ["lock"]
    assert names(tmp_path / "deep") == []


ERRORS = [
    KeyboardInterrupt(),
    UnreadableError("a file is broken"),
    ValueError("a bug"),
    DataError("too few groups"),
    LeakError("two sides"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_what_was_made_is_kept_whatever_the_error(tmp_path, error) -> None:
    with pytest.raises(type(error)):
        fail_inside(tmp_path / "out", error)
    with working_folder(tmp_path / "out") as work:
        assert (work / "half").read_text() == "written"
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [*ERRORS, OSError(errno.EIO, "I/O error")])
def test_a_folder_in_which_nothing_was_made_is_not_kept(tmp_path, error) -> None:
    with pytest.raises((type(error), DataError)):
        fail_with_nothing_made(tmp_path / "out", error)
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, number) -> None:
    with pytest.raises(DataError, match=r"no space left: more than 7 bytes are needed, .* are free"):
        fail_inside(tmp_path / "out", OSError(number, "full"))
    assert names(tmp_path) == []


def test_a_file_that_cannot_be_written_is_named_in_one_line(tmp_path) -> None:
    with pytest.raises(DataError, match=r"/there/x: Permission denied\. .*out is as it was"):
        fail_inside(tmp_path / "out", OSError(errno.EACCES, "Permission denied", "/there/x"))
    assert names(tmp_path) == [".out.partial"]


def test_a_place_that_cannot_hold_a_folder_is_one_line(tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="is as it was"), working_folder(tmp_path / "file" / "out"):
        pytest.fail("went on")


def test_a_second_process_is_refused_and_takes_nothing_from_the_first(tmp_path) -> None:
    with working_folder(tmp_path / "out") as work:
        (work / "half").write_text("written")
        with pytest.raises(DataError, match="another process is preparing it"), working_folder(tmp_path / "out"):
            pytest.fail("went on")
        assert names(work) == ["half", "lock"]


def test_two_outputs_do_not_wait_for_each_other(tmp_path) -> None:
    with working_folder(tmp_path / "one") as one, working_folder(tmp_path / "other") as other:
        assert one != other


def test_a_lock_that_was_taken_away_while_it_was_waited_for_is_nobodys(tmp_path, monkeypatch) -> None:
    """The first process ended between this one's opening of the file and its locking of it."""
    flock = fcntl.flock

    def late(file, flags):
        (tmp_path / ".out.partial" / "lock").unlink()
        flock(file, flags)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(DataError, match="another process is preparing it"), working_folder(tmp_path / "out"):
        pytest.fail("went on")


def test_a_system_without_locks_is_told_so_in_one_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(DataError, match="takes a lock that this system has not"), working_folder(tmp_path / "out"):
        pytest.fail("went on")


def test_a_kill_keeps_the_folder_and_frees_it(tmp_path) -> None:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], env=environment, check=False)
    assert child.returncode == -signal.SIGKILL
    with working_folder(tmp_path / "out") as work:
        assert (work / "half").read_text() == "written"
