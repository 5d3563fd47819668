"""How much a DICOM header may make its reader do, by how many frames it says that it has.

pydicom makes an object of each item and each value, in Python: eight bytes cost it a tenth of a millisecond, and a file
of a megabyte, all items, a quarter of a minute. No scanner writes more than this for a frame.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from pydicom.dataelem import RawDataElement

from glioray.data.scan_file import read_at_most

MOST_FRAMES = 2**16
ITEMS, READS, SEQUENCE_BYTES = 4096, 20_000, 2**18  # of a file, and more for each of its frames:
ITEMS_A_FRAME, READS_A_FRAME, SEQUENCE_BYTES_A_FRAME = 64, 1000, 2**14
VALUE_BYTES = 2**16
ITEM_BEGINS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # in either order of bytes


class WholeFile:
    """An opened file that pydicom reads; what an element says that it has takes no memory unless it is there."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened
        self.seek, self.tell = opened.seek, opened.tell

    def read(self, size: int = -1) -> bytes:
        """As many bytes, or as there are."""
        return read_at_most(self._opened, size)


class CountedFile(WholeFile):
    """One that is read at most so many times: one to three times for an element of a header."""

    def __init__(self, opened: BinaryIO, num_frames: int) -> None:
        super().__init__(opened)
        self._most = self._left = READS + READS_A_FRAME * num_frames

    def read(self, size: int = -1) -> bytes:
        """Raises ValueError where it was read too often."""
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"its header has more than {self._most // 3:,} elements")
        return super().read(size)


def refuse_frames(num_frames: int, most_frames: int) -> None:
    """Refuses more frames than are wanted.

    Raises:
        ValueError: with both numbers.
    """
    if num_frames > most_frames:
        raise ValueError(f"it claims {num_frames:,} frames; at most {most_frames:,} are read")


def refuse_long_values(dataset: Any, num_frames: int) -> None:
    """Refuses values that are too long to be taken apart, before they are.

    Args:
        dataset: a pydicom dataset whose values are still bytes.
        num_frames: that it says it has.

    Raises:
        ValueError: a sequence with too many items or bytes, or another value that is too long.
    """
    for tag in dataset.keys():  # noqa: SIM118, a dataset iterates over its values, and takes them apart
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.value:
            _refuse_long(raw, num_frames)


def _refuse_long(raw: RawDataElement, num_frames: int) -> None:
    num_bytes, num_items = len(raw.value or b""), sum((raw.value or b"").count(begin) for begin in ITEM_BEGINS)
    if num_bytes <= VALUE_BYTES and not num_items:
        return
    most_bytes, most_items = SEQUENCE_BYTES + SEQUENCE_BYTES_A_FRAME * num_frames, ITEMS + ITEMS_A_FRAME * num_frames
    if not num_items:
        raise ValueError(f"{raw.tag} has {num_bytes:,} bytes; at most {VALUE_BYTES:,} are read")
    if num_bytes > most_bytes or num_items > most_items:
        raise ValueError(
            f"{raw.tag} has {num_items:,} items in {num_bytes:,} bytes; at most {most_items:,} in {most_bytes:,} are "
            f"read for {num_frames:,} frames"
        )
