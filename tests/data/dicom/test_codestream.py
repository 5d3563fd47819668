from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from glioray.data.dicom.codestream import coded_size, leads_nowhere, rle_exceeds


@pytest.mark.parametrize(
    "settings", [{"format": "JPEG"}, {"format": "JPEG2000", "no_jp2": True}, {"format": "JPEG2000"}]
)
def test_the_size_of_a_picture_is_read_from_its_stream(settings) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(file, **settings)
    assert coded_size(file.getvalue()) == (40, 50)


def test_the_size_of_a_jpeg_ls_is_read() -> None:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    assert coded_size(bytes(jpeg_ls.encode_array(np.zeros((40, 50), np.uint16)))) == (40, 50)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\x00\x00\x00\x00",
        b"\xff\xd8\xff\xe0\x00\x00\xff\xd9\xff\xd9",
        b"\xff\xd8" + b"\xff" * 50,
        b"\xff\x4f\xff\x51\x00",
        b"\x00\x00\x00\x0cjP  ",
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00",
    ],
)
def test_a_stream_without_a_size_ends(stream) -> None:
    assert coded_size(stream) is None


def test_a_segment_with_false_markers_inside_is_jumped_over() -> None:
    comment = b"\xff\xfe" + struct.pack(">H", 12) + b"\xff\xc0" + bytes(8)
    frame = b"\xff\xc1\x00\x0b\x08" + struct.pack(">2H", 7, 9) + bytes(4)
    assert coded_size(b"\xff\xd8" + comment + frame) == (7, 9)


def boxes(*written: tuple[int, bytes]) -> bytes:
    return b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"".join(struct.pack(">I4s", *box) + bytes(12) for box in written)


def test_the_boxes_of_a_jp2_lead_to_its_picture() -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(file, "JPEG2000")
    assert file.getvalue().startswith(b"\x00\x00\x00\x0cjP")
    assert not leads_nowhere(file.getvalue())
    assert not leads_nowhere(boxes((20, b"ftyp"), (0, b"jp2c")))
    assert not leads_nowhere(b"\xff\x4f\xff\x51")


@pytest.mark.parametrize("length", [0, 7, 20, 2**32 - 1])
def test_boxes_that_lead_nowhere_are_told_at_once(length: int) -> None:
    assert leads_nowhere(boxes((length, b"ftyp")))


def rle(*segments: bytes) -> bytes:
    starts = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    return struct.pack("<16L", len(segments), *starts, *[0] * (15 - len(segments))) + b"".join(segments)


def test_runs_are_counted_over_all_segments_to_the_byte() -> None:
    literal = (bytes([127]) + bytes(128)) * 5_000  # 640,000 bytes as they are
    run = bytes([129, 7]) * 5_000  # 128 of each
    stream = rle(literal, literal, run)
    assert not rle_exceeds(stream, 3 * 640_000)
    assert rle_exceeds(stream, 3 * 640_000 - 1)


def test_a_bomb_of_runs_is_not_counted_to_its_end() -> None:
    assert rle_exceeds(rle(bytes([129, 0]) * 2_000_000), 1_000)


def test_a_short_stream_of_runs_is_not_looked_through() -> None:
    assert not rle_exceeds(b"", 0)
    assert not rle_exceeds(rle(bytes([129, 0]) * 100), 0)
