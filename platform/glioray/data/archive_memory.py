"""A zip that came as bytes, unpacked into memory: counted before, and while, it grows; nothing touches a disk."""

from __future__ import annotations

import io
import struct
import zipfile

from glioray.data.archive import BROKEN, unpacked
from glioray.data.archive_members import checked
from glioray.errors import DataError, UnreadableError

END, END_64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
END_BYTES, LOCATOR_BYTES, END_64_BYTES = 22, 20, 56
LONGEST_COMMENT = 2**16
MOST_ENTRY_BYTES = 512  # of the directory for one member, its name included
SKIPPED = ("__MACOSX",)


def unpack_in_memory(content: bytes, name: str, most_members: int, most_bytes: int) -> dict[str, bytes]:
    """The files of a zip by their paths in it, without hidden ones.

    Args:
        content: the whole archive.
        name: how errors name it.
        most_members: more are refused, before their names are read.
        most_bytes: more, unpacked, are refused.

    Raises:
        DataError: as `safe_unpack`: a member that cannot be trusted, too many, too large or too tightly packed ones.
        UnreadableError: the archive is truncated or damaged.
    """
    try:
        _refuse_large_directory(content, name, most_members)
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = checked(name, len(content), opened.infolist(), most_members, most_bytes)
            wanted = {str(place): entry for place, entry in members.items() if not _is_hidden(place.parts)}
            return {place: b"".join(unpacked(name, opened, entry)) for place, entry in wanted.items()}
    except (*BROKEN, NotImplementedError) as error:
        raise UnreadableError(f"{name}: not a whole zip ({error}). It was cut off or damaged on its way.") from None


def _refuse_large_directory(content: bytes, name: str, most_members: int) -> None:
    """A directory of a million entries is small in the file and large in the memory of who reads it."""
    at = len(content) - END_BYTES
    # Looked for as zipfile does, or another record than the one that it takes would be judged.
    if not (content[at:].startswith(END) and content.endswith(b"\0\0")):
        at = content.rfind(END, max(0, at - LONGEST_COMMENT))
    if at < 0:
        raise zipfile.BadZipFile("it has no directory at its end")
    (size,) = struct.unpack_from("<I", content, at + 12)
    if content[max(at - LOCATOR_BYTES, 0) : at].startswith(END_64_LOCATOR):
        (size,) = struct.unpack_from("<Q", content, max(at - LOCATOR_BYTES - END_64_BYTES, 0) + 40)
    if size > most_members * MOST_ENTRY_BYTES:
        raise DataError(f"{name}: its directory has {size:,} bytes; at most {most_members:,} members are unpacked.")


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") or part in SKIPPED for part in parts)
