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
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.errors import DataError

DATA_SET = ("split=*", "manifest.json", "split.json", "dataset.html")
FULL = (errno.ENOSPC, errno.EDQUOT)
RENAME_EXCHANGE = 2
AT_FDCWD = -100


def check_output(out: Path, own: Sequence[str] = DATA_SET) -> None:
    """Refuses a folder that holds anything but what we wrote there before: it would be replaced.

    Args:
        out: where something is to be written.
        own: names of its parts, as patterns of the shell; the first is the one that it cannot lack.

    Raises:
        DataError: it is a file, or holds something else.
    """
    if out.is_dir():
        names = sorted(path.name for path in out.iterdir())
        strange = [name for name in names if not any(fnmatch(name, pattern) for pattern in own)]
        if strange or (names and not any(fnmatch(name, own[0]) for name in names)):
            raise DataError(
                f"{out}: holds {(strange or names)[0]!r}, which is no part of what is written there. "
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
        put_in_place(partial, out)
    except OSError as error:
        if error.errno not in FULL:
            raise DataError(f"{error.filename or out}: {error.strerror or error}. {out} is as it was.") from error
        raise DataError(no_space(partial, out.parent)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def put_in_place(ready: Path, out: Path) -> None:
    """Renames; an older folder changes places with the new one in one step and is then removed."""
    if not out.is_dir() or not any(out.iterdir()):
        ready.replace(out)
    elif _exchange(ready, out):
        shutil.rmtree(ready, ignore_errors=True)
    else:
        old = ready.with_name(ready.name + ".old")
        out.rename(old)
        ready.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def write_whole(path: Path, *parts: bytes | NDArray[Any]) -> None:
    """Writes a file that is there whole or not at all.

    With plain writes: a full disk raises OSError here, where a memory map would kill the process.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            for part in parts:
                file.write(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_space(folder: Path, needed_bytes: int) -> None:
    """Refuses what the disk under a folder cannot hold.

    Raises:
        DataError: less is free.
    """
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise DataError(_no_space(folder, f"{needed_bytes:,}", free_bytes))


def no_space(written: Path, place: Path) -> str:
    """The line of error of a disk that filled up while a folder was written."""
    written_bytes = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    free_bytes = shutil.disk_usage(place if place.is_dir() else written).free + written_bytes
    return _no_space(place, f"more than {written_bytes:,}", free_bytes)


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


def _no_space(place: Path, needed: str, free_bytes: int) -> str:
    return (
        f"{place}: no space left: {needed} bytes are needed, {free_bytes:,} are free. "
        "Make room, or give a folder on another disk."
    )


def _exchange(one: Path, other: Path) -> bool:
    """Lets two folders change places in one step, where the system can."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)
