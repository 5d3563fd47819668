"""Files and folders as a person names them, to what the service's readers take: bytes with a name."""

from __future__ import annotations

from pathlib import Path

from glioray.data.image_file import what_it_seems
from glioray.data.sources._brats import files_below
from glioray.errors import DataError, UnreadableError
from glioray.serving.kinds import READ, READ_AS_VOLUME, kind_of
from glioray.serving.volume_settings import Limits

MOST_BYTES = 2_000_000_000


def content_of(file: Path) -> bytes:
    """The bytes of a file of a kind that is read.

    Raises:
        UnreadableError: there is no such file, it is too large, or of no known kind.
    """
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise UnreadableError(f"{file}: {size / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:g} GB are read")
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{file}: {error.strerror or error}") from None
    if kind_of(content) is None:
        raise UnreadableError(f"{file}: {what_it_seems(content)}; give {READ}, or for a volume {READ_AS_VOLUME}")
    return content


def members_of(folder: Path, limits: Limits) -> dict[str, bytes]:
    """The files of a folder at any depth, by their paths in it.

    Raises:
        DataError: it is empty, or has too many files or bytes.
    """
    files = list(files_below(folder))
    size = sum(file.stat().st_size for file in files)
    if not files:
        raise DataError(f"{folder}: is empty; give a folder with a NIfTI for each sequence, or with DICOM series")
    if len(files) > limits.members or size > limits.unpacked_bytes:
        raise DataError(
            f"{folder}: {len(files):,} files of {size / 1e6:,.0f} MB; at most {limits.members:,} of "
            f"{limits.unpacked_bytes / 1e6:,.0f} MB are read. Give the folder of one case"
        )
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
