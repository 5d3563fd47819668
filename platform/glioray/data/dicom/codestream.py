"""What a compressed picture claims, before a decoder believes it: its size, and where it lies."""

from __future__ import annotations

import itertools
import struct

JPEG_START, JPEG_2000_START, JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP"
# Start of frame: baseline to arithmetic, without the tables (C4, C8, CC) between them; F7 is JPEG-LS.
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
BOX = struct.Struct(">I4s")  # how long it is with this, and of what kind
RLE_HEADER = struct.Struct("<16L")  # how many segments, and where each begins
HARMLESS_RLE_BYTES = 2**20  # unpacked it is at most 64 times as much
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def coded_size(stream: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS or JPEG 2000 stream claims; none where it claims none.

    A stream without a size is refused by its decoder.
    """
    try:
        if stream.startswith(JP2_BOX):
            stream = stream[stream.index(JPEG_2000_START) :]
        if stream.startswith(JPEG_2000_START):
            right, bottom, left, top = struct.unpack(">4I", stream[8:24])
            return bottom - top, right - left
        return _jpeg_size(stream) if stream.startswith(JPEG_START) else None
    except (struct.error, ValueError):
        return None


def leads_nowhere(stream: bytes) -> bool:
    """Whether it is a JP2 whose boxes do not lead to its picture; at one without a length pydicom stands still."""
    if not stream.startswith(JP2_BOX):
        return False
    at = 0
    while at + BOX.size <= len(stream):
        length, kind = BOX.unpack_from(stream, at)
        if kind == b"jp2c":
            return False
        if length < BOX.size:
            return True
        at += length
    return True


def rle_exceeds(stream: bytes, most_bytes: int) -> bool:
    """Whether a run-length coded picture becomes more than this; its decoder would go on to the end.

    A short stream is not looked through, since it cannot do harm.
    """
    if len(stream) <= HARMLESS_RLE_BYTES:
        return False
    count, *starts = RLE_HEADER.unpack_from(stream)
    bounds = [*starts[:count], len(stream)]
    unpacked = 0
    for at, end in itertools.pairwise(bounds):
        while at < min(end, len(stream)) and unpacked <= most_bytes:
            code = stream[at]
            unpacked += 257 - code if code > 128 else (code + 1) % 129
            at += 2 if code > 128 else 1 + (code + 1) % 129
    return unpacked > most_bytes


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    at = len(JPEG_START)
    while at + 4 <= len(stream):
        if stream[at] != 0xFF:
            return None
        marker = stream[at + 1]
        if marker in FRAME_MARKERS:
            rows, columns = struct.unpack(">2H", stream[at + 5 : at + 9])
            return rows, columns
        at += 1 if marker == 0xFF else 2 if marker in ALONE else 2 + _length(stream, at)
    return None


def _length(stream: bytes, at: int) -> int:
    (length,) = struct.unpack(">H", stream[at + 2 : at + 4])
    # A segment counts its own two bytes; less would stand still.
    return max(int(length), 2)
