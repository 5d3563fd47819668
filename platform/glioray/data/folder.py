"""A folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from glioray.data.records import SIDES
from glioray.errors import DataError

OWN_FOLDERS = tuple(f"split={side}" for side in SIDES)
OWN_NAMES = (*OWN_FOLDERS, "manifest.json", "split.json", "dataset.html")
FULL = (errno.ENOSPC, errno.EDQUOT)
RENAME_EXCHANGE = 2
AT_FDCWD = -100


def check_output(out: Path) -> None:
    """Refuses a folder that holds anything but a data set of ours: it would be replaced.

    Raises:
        DataError: it is a file, or holds something else.
    """
    if out.is_dir():
        names = {path.name for path in out.iterdir()}
        strange = sorted(names - set(OWN_NAMES))
        if names and (strange or not names & set(OWN_FOLDERS)):
            raise DataError(
                f"{out}: holds {(strange or sorted(names))[0]!r}, which is no part of a prepared data set. "
                "Give a new or empty folder as --out."
            )
    elif out.exists() or out.is_symlink():
        raise DataError(f"{out}: is not a folder. Give a new or empty folder as --out.")


@contextlib.contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place when the block ends without an error.

    A kill leaves `out` as it was, and a hidden folder that the next run removes.

    Raises:
        DataError: the disk is full, or a file cannot be read or written; nothing is left behind.
    """
    remove_leftovers(out)
    partial = out.parent / f"{_partial_prefix(out)}{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        yield partial
        _put_in_place(partial, out)
    except OSError as error:
        if error.errno not in FULL:
            raise DataError(f"{error.filename or out}: {error.strerror or error}. {out} is as it was.") from error
        # Counted before the removal: mapped files hold their space for as long as this process lives.
        written = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        raise DataError(
            no_space(written, shutil.disk_usage(_existing(out.parent)).free + written, out.parent)
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def no_space(needed_bytes: int, free_bytes: int, place: Path) -> str:
    """The line of error of a full disk."""
    return (
        f"{place}: no space left: more than {needed_bytes:,} bytes are needed, {free_bytes:,} are free. "
        "Make room, or give another --out."
    )


def remove_leftovers(out: Path) -> None:
    """Removes the temporary folders of runs of this host that were killed; a living process keeps its own."""
    prefix = _partial_prefix(out)
    for path in out.parent.glob(f"{glob.escape(prefix)}*"):
        pid = path.name.removeprefix(prefix)
        if pid.isdigit() and (int(pid) == os.getpid() or not _is_alive(int(pid))):
            shutil.rmtree(path, ignore_errors=True)


def _partial_prefix(out: Path) -> str:
    """On shared storage a process number says nothing without its host."""
    return f".{out.name}.partial-{socket.gethostname()}-"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _put_in_place(partial: Path, out: Path) -> None:
    """Renames; an older data set changes places with the new one in one step and is then removed."""
    if not out.is_dir() or not any(out.iterdir()):
        partial.replace(out)
    elif not _exchange(partial, out):
        old = partial.with_name(partial.name + ".old")
        out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Lets two folders change places in one step, where the system can."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)
