"""What a zip says of its members, and what of it is refused before a byte is written."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath

from glioray.errors import DataError

MOST_MEMBERS = 250_000  # BraTS 2020 as h5 has 57,195
MOST_BYTES = 256 * 1024**3  # unpacked; BraTS 2020 as float64 without compression is 105 GB
MOST_RATIO = 100  # unpacked to packed, over the whole archive; scans reach 10, empty masks alone 1000
SMALL_BYTES = 64 * 1024**2  # unpacked; below it no ratio does harm
ENCRYPTED_FLAGS = 0x0001 | 0x0040 | 0x2000  # by password, strong, with a hidden directory
DRIVE = re.compile(r"[A-Za-z]:")

Members = dict[PurePosixPath, zipfile.ZipInfo]


def checked(
    archive: object, packed_bytes: int, entries: Sequence[zipfile.ZipInfo], most_members: int, most_bytes: int
) -> Members:
    """The files among the members, by their place below the folder.

    Args:
        archive: how errors name it: its path, or a word.
        packed_bytes: its size.
        entries: all of its members.
        most_members: more are refused.
        most_bytes: more, unpacked, are refused.

    Raises:
        DataError: one member cannot be trusted, which refuses them all; or they are too many, too large or
            packed as only a bomb is.
    """
    if len(entries) > most_members:
        raise DataError(f"{archive}: {len(entries):,} members; at most {most_members:,} are unpacked.")
    members: Members = {}
    for entry in entries:
        wrong = _what_is_wrong(entry)
        place = PurePosixPath(entry.filename)
        if not wrong and place in members:
            wrong = "is there twice"
        if wrong:
            raise DataError(f"{archive}: member {entry.orig_filename!r} {wrong}. Nothing was unpacked.")
        if not entry.is_dir():
            members[place] = entry
    for place in members:
        if above := next((parent for parent in place.parents if parent in members), None):
            raise DataError(f"{archive}: member {str(above)!r} is a file and a folder. Nothing was unpacked.")
    _refuse_bombs(archive, packed_bytes, members, most_bytes)
    return members


def _what_is_wrong(entry: zipfile.ZipInfo) -> str | None:
    name = entry.orig_filename  # zipfile cuts its own copy at a zero byte
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if "\\" in name or "\0" in name:
        return "has a backslash or a zero byte in its name"
    if name.startswith("/") or DRIVE.match(name):
        return "has an absolute path"
    if ".." in PurePosixPath(name).parts:
        return "leads out of the folder by '..'"
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device, a pipe or a socket"
    if entry.flag_bits & ENCRYPTED_FLAGS:
        return "is encrypted: unpack the archive with its password, and give the folder"
    if not PurePosixPath(name).parts:
        return "has no name"
    return None


def _refuse_bombs(archive: object, packed_bytes: int, members: Members, most_bytes: int) -> None:
    """By the sizes that the members declare; what is read is never more than that."""
    total_bytes = sum(entry.file_size for entry in members.values())
    if total_bytes > most_bytes:
        raise DataError(f"{archive}: {total_bytes:,} bytes unpacked; at most {most_bytes:,} are unpacked.")
    if total_bytes > max(SMALL_BYTES, MOST_RATIO * packed_bytes):
        largest = max(members.values(), key=lambda entry: entry.file_size)
        raise DataError(
            f"{archive}: {packed_bytes:,} bytes would become {total_bytes:,}, member {largest.filename!r} "
            f"{largest.file_size:,} of them; scans are packed at most {MOST_RATIO} to 1, bombs more tightly. "
            "If you trust it, unpack it and give the folder."
        )
