"""One DICOM file that came alone: the slice that it shows, as its scanner stored it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from glioray.data.dicom.folder import MAGIC, MAGIC_OFFSET
from glioray.data.dicom.headers import claimed_frames, read_header
from glioray.data.dicom.pixels import read_frames
from glioray.data.dicom.problems import series_problem
from glioray.data.image_file import refuse_size
from glioray.data.scan_file import MemoryFile
from glioray.errors import DataError, UnreadableError


def is_dicom_content(content: bytes) -> bool:
    """Whether bytes are a DICOM file, whatever stands in its preamble."""
    return content.startswith(MAGIC, MAGIC_OFFSET)


def num_frames(content: bytes, name: str) -> int:
    """How many slices a file says that it holds, whatever it says of each; raises as `claimed_frames`."""
    return claimed_frames(MemoryFile(name, content), name)


def read_slice(content: bytes, name: str) -> NDArray[Any]:
    """(1, H, W) in the values of the scanner, rows and columns as stored.

    Raises:
        UnreadableError: damaged, or of a size that no slice of a head has.
        DataError: no MR image, such as CT, a screenshot or a picture with burned-in text.
    """
    header = read_header(MemoryFile(name, content), name, most_frames=1)
    if problem := series_problem([header]):
        raise DataError(f"{name}: {problem}.")
    if len(header.frames) != 1:
        raise UnreadableError(f"{name}: {len(header.frames)} slices; wanted one.")
    refuse_size((1, header.encoding.rows, header.encoding.columns), name)
    return read_frames(header.frames)
