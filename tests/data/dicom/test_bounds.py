"""Small files that describe more than any scan has: refused before it is taken apart, which took minutes."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from glioray.data.dicom.headers import claimed_frames, read_header
from glioray.data.dicom.series import series_among
from glioray.data.scan_file import MemoryFile
from glioray.errors import UnreadableError

ITEM, UNKNOWN = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<I", 2**32 - 1)
PIXELS, SAMPLES = b"\xe0\x7f\x10\x00OW", b"\x28\x00\x02\x00US"
NUM_FRAMES = b"\x28\x00\x08\x00IS"


@pytest.fixture
def file_with(tmp_path, write_series):
    """A good slice with bytes before one of its elements."""
    write_series()
    content = sorted((tmp_path / "scan").iterdir())[0].read_bytes()

    def make(inserted: bytes, before: bytes) -> MemoryFile:
        at = content.index(before)
        return MemoryFile("x", content[:at] + inserted + content[at:])

    return make


def frames(count: int) -> bytes:
    """An element with as many descriptions of frames, of eight bytes each."""
    return b"\x00\x52\x30\x92SQ\0\0" + struct.pack("<I", 8 * count) + ITEM * count


@pytest.mark.parametrize(
    ("inserted", "before", "words"),
    [
        (frames(5000), PIXELS, "has 5,000 items in 40,000 bytes; at most 4,160"),
        (b"\x08\x00\x40\x11SQ\0\0" + UNKNOWN + ITEM * 30_000, SAMPLES, "more than 7,000 elements"),
        (b"\x09\x00\x10\x00LO\0\0" * 30_000, SAMPLES, "more than 7,000 elements"),
        (b"\x02\x00\x02\x01OB\0\0\0\0\0\0" * 30_000, b"\x02\x00\x02\x00UI", "more than 7,000 elements"),
        (b"\x18\x00\x81\x00UN\0\0" + struct.pack("<I", 70_000) + b"1\\" * 35_000, SAMPLES, "has 70,000 bytes; at most"),
        (NUM_FRAMES + b"\x06\x00999999", b"\x28\x00\x10\x00US", "claims 999,999 frames; at most 65,536"),
    ],
    ids=["items", "items of unknown length", "elements", "elements before the data set", "values", "frames"],
)
def test_a_header_that_says_too_much_is_refused(file_with, inserted, before, words) -> None:
    with pytest.raises(UnreadableError, match=words):
        read_header(file_with(inserted, before), "x")


def test_the_number_of_frames_is_told_without_a_look_at_them(file_with) -> None:
    file = file_with(NUM_FRAMES + b"\x06\x0060000 ", b"\x28\x00\x10\x00US")
    many = MemoryFile("x", file.content.replace(PIXELS, frames(60_000) + PIXELS))

    assert claimed_frames(many, "x") == 60_000


def test_a_scan_of_many_frames_is_read_as_far_as_the_caller_wants(tmp_path, write_enhanced) -> None:
    write_enhanced(np.zeros((300, 12, 10), np.uint16), order=range(300))
    file = MemoryFile("one", (tmp_path / "enhanced" / "one").read_bytes())

    assert len(series_among({"one": file}, most_frames=300).series[0].frames) == 300
    ((_, reason),) = series_among({"one": file}, most_frames=299).unreadable
    assert "claims 300 frames; at most 299 are read" in reason


@pytest.mark.parametrize(
    ("inserted", "before"),
    [
        (b"\x02\x00\x02\x01OB\0\0\xf0\xff\xff\xff", b"\x02\x00\x02\x00UI"),
        (b"\x08\x00\x05\x00UT\0\0\xf0\xff\xff\xff", b"\x08\x00\x16\x00UI"),
    ],
)
def test_what_an_element_says_that_it_has_takes_no_memory(file_with, little_room, inserted, before) -> None:
    with pytest.raises(UnreadableError, match="not a readable DICOM file"):
        read_header(file_with(inserted, before), "x")
