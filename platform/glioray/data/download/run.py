"""A public data set in a folder: found there, unpacked from a zip that lies there, or fetched from Kaggle."""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glioray.data.archive import is_archive, safe_unpack
from glioray.data.download.checking import check, locate
from glioray.data.download.datasets import DataSet, dataset
from glioray.data.download.kaggle_api import Api, connect, fetch
from glioray.data.folder import require_space
from glioray.data.progress import OnProgress, silent
from glioray.errors import DataError, UnreadableError

BROWSER_NAME = "archive.zip"
UNPACKING = ".unpacking"


@dataclass(frozen=True)
class Downloaded:
    """A whole data set, and how to prepare it: `glioray prepare SOURCE FOLDER`.

    `was_there` says that nothing was fetched or unpacked; `remarks` are things to know that stop nobody.
    """

    folder: Path
    source: str
    files: int
    bytes: int
    was_there: bool
    remarks: tuple[str, ...] = ()


def download(name: str, folder: Path, on_progress: OnProgress | None = None, api: Api | None = None) -> Downloaded:
    """The data set of that name in `folder`, all its files counted.

    A killed download or unpacking goes on where it stopped. A data set that lies in the folder is only counted; a
    zip that was put there by hand, as `archive.zip` or by the data set's own name, is unpacked and stays.

    Args:
        on_progress: called with (stage, done, total).
        api: a client of Kaggle; default: the `kaggle` package's, with the token of this machine.

    Raises:
        DataError: no such data set, no token, no connection, no space, or files are missing; it says what to do.
        UnreadableError: the zip is damaged.
    """
    data = dataset(name)
    tell = on_progress or silent
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a folder. Give a new folder as --out.")
    place = None if (folder / UNPACKING).is_dir() else locate(folder, data)
    archive = _archive(folder, data)
    if place is not None and (archive is None or not check(place, data).missing):
        return _counted(place, data, was_there=True)
    if archive is not None:
        _unpack(archive, folder, data, tell)
    else:
        archive = _fetch(folder, data, tell, api)
        with _removed_if_damaged(archive):
            _unpack(archive, folder, data, tell)
        done = _counted(locate(folder, data) or folder, data, was_there=False, kept=archive)
        archive.unlink()
        return done
    return _counted(locate(folder, data) or folder, data, was_there=False)


def _archive(folder: Path, data: DataSet) -> Path | None:
    """A whole zip that lies in the folder; the beginning of one under the package's name is left to the package."""
    own, browsers = folder / data.archive_name, folder / BROWSER_NAME
    if is_archive(own) and zipfile.is_zipfile(own):
        return own
    if not is_archive(browsers):
        return None
    if not zipfile.is_zipfile(browsers):
        raise UnreadableError(f"{browsers}: is cut off. Fetch {data.page} again, or remove it.")
    return browsers


def _fetch(folder: Path, data: DataSet, tell: OnProgress, api: Api | None) -> Path:
    with _made(folder):
        require_space(folder, 2 * data.archive_bytes)  # unpacked it is no smaller; how much larger, the zip will say
        return fetch(api or connect(data, folder), data, folder, tell)


@contextlib.contextmanager
def _removed_if_damaged(archive: Path) -> Iterator[None]:
    """A fetched zip that is no good would be taken for a good one by the next run."""
    try:
        yield
    except UnreadableError:
        archive.unlink()
        raise


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder, and those above it; what was made for nothing is removed again."""
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in absent:
            with contextlib.suppress(OSError):  # it holds the beginning of a download
                place.rmdir()
        raise


def _unpack(archive: Path, folder: Path, data: DataSet, tell: OnProgress) -> None:
    """Into a hidden folder first, so that a kill leaves nothing that looks like a data set; then without wrappers."""
    work = folder / UNPACKING
    work.mkdir(exist_ok=True)
    try:
        safe_unpack(archive, work, lambda done, total: tell("unpack", done, total))
    except UnreadableError:
        shutil.rmtree(work)
        raise
    base = locate(work, data)
    if base is None:
        shutil.rmtree(work)
        raise DataError(f"{archive}: holds no {data.name} ({', '.join(data.marks)}). Fetch {data.page} and no other.")
    _move(base, folder)
    for above in base.relative_to(work).parents:  # tables lie beside the folders that wrap the scans
        for path in (work / above).iterdir():
            if path.is_file() and not (folder / path.name).exists():
                path.replace(folder / path.name)
    shutil.rmtree(work)  # what else the archive holds is a second copy: that of lgg has one


def _move(source: Path, target: Path) -> None:
    """All that is in a folder, into another that may have a part of it from a run that was killed here."""
    for path in list(source.iterdir()):
        if path.is_dir() and (target / path.name).is_dir():
            _move(path, target / path.name)
        else:
            path.replace(target / path.name)


def _counted(place: Path, data: DataSet, was_there: bool, kept: Path | None = None) -> Downloaded:
    found = check(place, data)
    if found.missing:
        again = "Give a new folder as --out to fetch it again, or complete this one."
        if kept is not None:
            again = (
                f"The zip is kept: {kept}. Remove it and what was unpacked to fetch it again, or complete this folder."
            )
        raise DataError(
            f"{place}: {data.name} is not whole:\n"
            + "".join(f"  {line}\n" for line in found.missing)
            + f"The counts are of {data.page}. {again}"
        )
    return Downloaded(place, data.source, found.files, found.bytes, was_there, found.extra)
