"""A hidden folder in which a long work goes on after a kill."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from glioray.data.folder import FULL, no_space
from glioray.errors import DataError, UnreadableError

LOCK = "lock"


@contextlib.contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` for what is being made; what is ready is moved to `out` by `put_in_place`.

    A kill, an interruption or a file that cannot be read leave what was made, and the next run goes on from there;
    after success, and after any other error, it is gone.

    Raises:
        DataError: another process works on `out`, the disk is full, or a file cannot be read or written.
    """
    work = out.parent / f".{out.name}.partial"
    try:
        work.mkdir(parents=True, exist_ok=True)
        with _locked(work, out):
            keep = False
            try:
                yield work
            except (UnreadableError, KeyboardInterrupt):
                keep = any(place.name != LOCK for place in work.iterdir())
                raise
            except OSError as error:
                if error.errno in FULL:
                    raise DataError(no_space(work, out.parent)) from None
                raise
            finally:
                if not keep:
                    shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{error.filename or out}: {error.strerror or error}. {out} is as it was.") from error


@contextlib.contextmanager
def _locked(work: Path, out: Path) -> Iterator[None]:
    """The folder for this process alone; the lock ends with the process, however that ends."""
    with (work / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{out}: another process is preparing it. Wait for it, or give another --out.") from None
        yield
