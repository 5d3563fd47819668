"""The only file that imports `kaggle`: connecting, fetching one zip, and what its failures mean.

The package goes on with a broken download by itself, by a marker beside the zip and an HTTP range; it prints,
may end the process, and lets the exceptions of its transport through: none of that leaves this file.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from glioray.data.download.datasets import DataSet
from glioray.data.download.token import by_hand, find_token, how_to_make_one
from glioray.data.folder import FULL
from glioray.data.progress import OnProgress
from glioray.errors import DataError

MEGABYTE = 1_000_000
LOOK_EVERY_S = 0.5


class Api(Protocol):
    """What is used of `kaggle.api.KaggleApi`."""

    def dataset_download_files(
        self, dataset: str, path: str | None = None, force: bool = False, quiet: bool = True, unzip: bool = False
    ) -> None:
        """Fetches the whole data set as one zip into the folder `path`."""


def connect(data: DataSet, folder: Path) -> Api:
    """The package's own client, signed in.

    Raises:
        DataError: there is no token, Kaggle refuses it, or cannot be reached.
    """
    where = find_token(os.environ, Path.home())
    if where is None:
        raise DataError(how_to_make_one(data, folder))
    with _mended(data, folder):
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
        except SystemExit:  # how the package says that a token is no good
            raise DataError(_refused(where, folder, data)) from None
        return cast(Api, api)


def fetch(api: Api, data: DataSet, folder: Path, tell: OnProgress) -> Path:
    """The whole zip, in `folder`; what an earlier, broken run fetched of it is not fetched again.

    Raises:
        DataError: Kaggle cannot be reached, refuses, or the disk is full.
    """
    archive = folder / data.archive_name
    with _mended(data, folder), _watched(archive, data.archive_bytes, tell):
        api.dataset_download_files(data.handle, path=str(folder), force=False, quiet=True, unzip=False)
    if not archive.is_file():
        raise DataError(f"{archive}: the kaggle package said nothing and fetched nothing. Or {by_hand(data, folder)}")
    return archive


@contextlib.contextmanager
def _mended(data: DataSet, folder: Path) -> Iterator[None]:
    """Keeps the package's printing to itself and turns its failures into errors that say what to do."""
    from urllib3.exceptions import HTTPError as TransportError

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except (OSError, ValueError, TransportError) as error:
        raise DataError(_meaning(error, data, folder)) from None
    except SystemExit:
        raise DataError(_refused("this machine", folder, data)) from None


def _meaning(error: Exception, data: DataSet, folder: Path) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if getattr(error, "errno", None) in FULL:
        return f"{folder}: no space left for {data.archive_name}. Make room and give the same command: it goes on."
    if status in (401, 403):
        return _refused("this machine", folder, data)
    if status is not None:
        return f"Kaggle answers {status} for {data.page}: try again later, or {by_hand(data, folder)}"
    if isinstance(error, ValueError):
        reason = _shortly(error)
        return (
            f"Kaggle sent what it did not announce ({reason}). Give the same command again, or {by_hand(data, folder)}"
        )
    return (
        f"Kaggle cannot be reached ({_shortly(error)}). Once it can, the same command goes on where this one "
        f"stopped; or {by_hand(data, folder)}"
    )


def _refused(where: str, folder: Path, data: DataSet) -> str:
    return (
        f"Kaggle refuses the token of {where}: it is mistyped, expired or revoked. Make a new one at "
        f"https://www.kaggle.com/settings/api, or {by_hand(data, folder)}"
    )


def _shortly(error: BaseException) -> str:
    """The innermost reason, for the outer ones repeat the address; without its query, by which anybody could fetch."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None) or error
    told = str(reason).split("): ", 1)[-1].replace("\n", " ") or type(error).__name__
    return re.sub(r"\?[^\s'\"]+", "?...", told)


@contextlib.contextmanager
def _watched(archive: Path, expected_bytes: int, tell: OnProgress) -> Iterator[None]:
    """Tells how large a file has grown, in MB, while the block runs; the package tells it to terminals only."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_EVERY_S):
            _tell_size(archive, expected_bytes, tell)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _tell_size(archive, expected_bytes, tell)


def _tell_size(archive: Path, expected_bytes: int, tell: OnProgress) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        here_bytes = archive.stat().st_size
        marker = archive.with_name(archive.name + ".kaggle-partial")
        whole_bytes = json.loads(marker.read_text()).get("size") if marker.is_file() else here_bytes
        tell("download MB", here_bytes // MEGABYTE, (whole_bytes or expected_bytes) // MEGABYTE)
