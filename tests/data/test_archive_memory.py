from __future__ import annotations

import io
import struct
import zipfile

import pytest

from glioray.data.archive_memory import unpack_in_memory
from glioray.errors import DataError

END_BYTES = 22


def pack(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_the_files_come_back_by_their_paths_without_folders_and_hidden_ones() -> None:
    files = {"a/one": b"1" * 3000, "a/b/two": b"2"}
    content = pack({"a/": b"", **files, ".DS_Store": b"x", "__MACOSX/a/._one": b"x", "a/.hidden": b"x"})

    assert unpack_in_memory(content, "scan", 10, 10_000) == files


def test_a_comment_at_the_end_hides_no_directory() -> None:
    content = pack({f"{number:0400}": b"" for number in range(40)})
    commented = content[:-2] + struct.pack("<H", 300) + b"c" * 300

    for whole in (content, commented):
        with pytest.raises(DataError, match="its directory has 1[0-9],[0-9]{3} bytes; at most 8 members"):
            unpack_in_memory(whole, "scan", 8, 10_000)
    assert len(unpack_in_memory(commented, "scan", 40, 10_000)) == 40


def test_the_record_that_is_judged_is_the_one_that_zipfile_takes() -> None:
    """Its first fields look like the beginning of a second, later record, whose size would be small."""
    content = bytearray(pack({f"{number:0400}": b"" for number in range(40)}))
    at = len(content) - END_BYTES
    content[at + 4 : at + 8] = b"PK\x05\x06"
    content[at + 16 : at + 20] = bytes(4)  # where the directory begins; it would be read as the size
    assert len(zipfile.ZipFile(io.BytesIO(content)).infolist()) == 40

    with pytest.raises(DataError, match="its directory has"):
        unpack_in_memory(bytes(content), "scan", 8, 10_000)


def test_the_directory_of_a_zip_of_64_bits_is_judged_too() -> None:
    content = pack({"a": b"1"})
    at = len(content) - END_BYTES
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 10**9, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)

    with pytest.raises(DataError, match="its directory has 1,000,000,000 bytes"):
        unpack_in_memory(content[:at] + record + locator + content[at:], "scan", 8, 10_000)
