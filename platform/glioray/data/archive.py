"""A zip of scans to a folder or to memory, trusting nothing that it says of itself.

All members are looked at before the first byte is unpacked; then real bytes are counted, not declared ones.
"""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from glioray.data.archive_members import MOST_BYTES, MOST_MEMBERS, Members, checked
from glioray.data.folder import FULL, require_space
from glioray.data.progress import OnCount
from glioray.errors import DataError, UnreadableError

CHUNK_BYTES = 1024**2
BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, OverflowError)


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip does, whatever its name; a truncated one does too."""
    try:
        with path.open("rb") as file:
            return file.read(4) in BEGINNINGS
    except OSError:
        return False


def inside(root: Path, path: Path) -> bool:
    """Whether a path stays below `root` once all its links are followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return False


def safe_unpack(
    archive: Path,
    folder: Path,
    on_progress: OnCount | None = None,
    *,
    most_members: int = MOST_MEMBERS,
    most_bytes: int = MOST_BYTES,
) -> list[Path]:
    """The files of a zip, below `folder`, in the order of the archive.

    A file that an earlier run wrote, of the same size and CRC, is kept as it is, so a killed run goes on.

    Args:
        folder: is there; empty, or with what an earlier run wrote.
        on_progress: called with (files done, files in all).
        most_members: more are refused.
        most_bytes: more, unpacked, are refused.

    Raises:
        DataError: a member is absolute, leads out of the folder, is a link, a device, encrypted or there twice;
            there are too many, too large or too tightly packed ones; the disk will not hold them.
        UnreadableError: the archive is truncated or damaged.
    """
    try:
        with archive.open("rb") as file, zipfile.ZipFile(file) as opened:
            members = checked(archive, archive.stat().st_size, opened.infolist(), most_members, most_bytes)
            _need_space(folder, members)
            return list(_write_all(archive, opened, folder, members, on_progress))
    except (*BROKEN, NotImplementedError) as error:
        raise UnreadableError(
            f"{archive}: not a whole zip ({error}). It was cut off or damaged on its way: fetch it again."
        ) from None
    except OSError as error:
        if error.errno in FULL:
            raise DataError(f"{folder}: no space left for what is in {archive}. Make room, and try again.") from None
        raise DataError(f"{error.filename or archive}: {error.strerror or error}.") from None


def _need_space(folder: Path, members: Members) -> None:
    needed_bytes = sum(
        entry.file_size for place, entry in members.items() if not _has_size(folder / place, entry.file_size)
    )
    require_space(folder, needed_bytes)


def _write_all(
    archive: Path,
    opened: zipfile.ZipFile,
    folder: Path,
    members: Members,
    on_progress: OnCount | None,
) -> Iterator[Path]:
    for done, (place, entry) in enumerate(members.items(), start=1):
        target = folder / place
        if not inside(folder, target.parent):
            raise DataError(f"{target.parent}: a link leads out of {folder}. Remove it.")
        if not _is_there(target, entry):
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(archive, opened, entry, target)
        yield target
        if on_progress:
            on_progress(done, len(members))


def _has_size(target: Path, size: int) -> bool:
    return target.is_file() and not target.is_symlink() and target.stat().st_size == size


def _is_there(target: Path, entry: zipfile.ZipInfo) -> bool:
    """Whether an earlier run wrote this very file."""
    if not _has_size(target, entry.file_size):
        return False
    crc = 0
    with target.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
    return crc == entry.CRC


def _write(archive: Path, opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Under a name of its own first, so that a kill leaves no half file where a whole one is looked for."""
    if target.is_dir() and not target.is_symlink():
        raise DataError(f"{target}: is a folder, and {archive} has a file there. Give an empty folder.")
    partial = target.with_name(f".{entry.CRC:08x}.partial")
    partial.unlink(missing_ok=True)
    try:
        _copy(archive, opened, entry, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(archive: Path, opened: zipfile.ZipFile, entry: zipfile.ZipInfo, partial: Path) -> None:
    try:
        with partial.open("xb") as file:
            for chunk in unpacked(archive, opened, entry):
                file.write(chunk)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DataError(f"{archive}: member {entry.filename!r} has a name too long for this disk.") from None
        raise


def unpacked(archive: object, opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member piece by piece; more bytes than it declares are never given.

    Raises:
        DataError: it is packed in a way that is not read here.
        UnreadableError: it is damaged, or not as long as it says.
    """
    count = 0
    try:
        with opened.open(entry) as packed:
            while count <= entry.file_size and (chunk := packed.read(CHUNK_BYTES)):
                count += len(chunk)
                if count <= entry.file_size:
                    yield chunk
    except NotImplementedError as error:
        raise DataError(
            f"{archive}: member {entry.filename!r} is packed in a way that is not read here ({error}). "
            "Unpack it with another program, and give the folder."
        ) from None
    except (*BROKEN, RuntimeError, MemoryError) as error:
        raise UnreadableError(
            f"{archive}: member {entry.filename!r} is damaged ({error}). Fetch the archive again."
        ) from None
    except OSError as error:
        if error.errno is None:  # bzip2 says so of damage
            raise UnreadableError(f"{archive}: member {entry.filename!r} is damaged ({error}).") from None
        raise
    if count != entry.file_size:
        raise UnreadableError(f"{archive}: member {entry.filename!r} says {entry.file_size:,} bytes and has {count:,}.")
