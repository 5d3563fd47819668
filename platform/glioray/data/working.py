"""A hidden folder in which a long work goes on after a kill."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from glioray.data.folder import FULL, no_space
from glioray.errors import DataError

LOCK = "lock"


@contextlib.contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` for what is being made; what is ready is moved to `out` by `put_in_place`.

    A kill or an error leave what was made, and the next run goes on from there; it is gone after success, and where
    nothing was made. A full disk takes it too: else nothing else could go on.

    Raises:
        DataError: another process works on `out`, the disk is full, or a file cannot be read or written.
    """
    work = out.parent / f".{out.name}.partial"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with _locked(work, out):
            keep = True
            try:
                yield work
                keep = False
            except OSError as error:
                if error.errno not in FULL:
                    raise
                keep = False
                raise DataError(no_space(work, out.parent)) from None
            finally:
                if not keep or not any(place.is_file() and place != work / LOCK for place in work.rglob("*")):
                    shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{error.filename or out}: {error.strerror or error}. {out} is as it was.") from error


@contextlib.contextmanager
def _locked(work: Path, out: Path) -> Iterator[None]:
    """The folder for this process alone; the lock ends with the process, however that ends."""
    try:
        import fcntl
    except ImportError:
        raise DataError("preparing takes a lock that this system has not; use Linux or macOS") from None
    with (work / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that ended in between has taken the file away, and a third may hold a new one.
            is_mine = (work / LOCK).stat().st_ino == os.fstat(lock.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_mine = False
        if not is_mine:
            raise DataError(f"{out}: another process is preparing it. Wait for it, or give another --out.")
        yield
