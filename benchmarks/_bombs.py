"""Files that claim or become more than they are, each made small and in memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nibabel.nifti1 import Nifti1Header
from pydicom.dataset import Dataset

PIECE_BYTES = 2**24
DEFLATED, ZIP_64, TOO_LARGE = 8, 45, 2**32 - 1
# Would make a folder where it were run: a pickle of text, as any file may hold it.
PICKLE = b"cos\nmkdir\n(V%s\ntR."
PER_FRAME_GROUPS = b"\x00\x52\x30\x92SQ\0\0"
PIXELS = b"\xe0\x7f\x10\x00OW\0\0"


@dataclass(frozen=True)
class Member:
    """Of a zip that says of itself whatever we like; the packed bytes begin `at` in the file."""

    name: str
    packed: bytes
    declared_bytes: int
    crc: int = 0

    @property
    def head(self) -> bytes:
        name = self.name.encode()
        sizes = (len(self.packed), min(self.declared_bytes, TOO_LARGE))
        return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, DEFLATED, 0, 0, self.crc, *sizes, len(name), 0) + name

    def entry(self, at: int) -> bytes:
        name, size = self.name.encode(), min(self.declared_bytes, TOO_LARGE)
        extra = struct.pack("<HHQ", 1, 8, self.declared_bytes) if size == TOO_LARGE else b""
        numbers = (ZIP_64, ZIP_64, 0, DEFLATED, 0, 0, self.crc, len(self.packed), size, len(name), len(extra))
        return struct.pack("<4s6H3I5H2I", b"PK\1\2", *numbers, 0, 0, 0, 0, at) + name + extra


def deflated(start: bytes, num_zeros: int, pattern: bytes = b"\0", wbits: int = -15) -> bytes:
    """A raw deflate stream of a start and then zeros (or a pattern again and again), without making them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(pattern * (PIECE_BYTES // len(pattern))) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * (num_zeros // PIECE_BYTES) + packer.compress(bytes(num_zeros % PIECE_BYTES)) + packer.flush()


def zip_bomb(num_bytes: int, declared_bytes: int | None = None) -> bytes:
    """One member that becomes so many bytes, and says so or something else."""
    member = Member("scan.nii", deflated(b"", num_bytes), num_bytes if declared_bytes is None else declared_bytes)
    return member.head + member.packed + _directory([member.entry(0)], len(member.head) + len(member.packed))


def overlapping_zip(num_members: int, kernel_bytes: int) -> bytes:
    """Members that all end in the same packed bytes: each quotes the head of the next as text of its own."""
    member = Member(f"{num_members}.nii", deflated(b"", kernel_bytes), kernel_bytes, zlib.crc32(bytes(kernel_bytes)))
    content, members = bytes(kernel_bytes), [member]
    for number in range(num_members - 1, 0, -1):
        quoted = struct.pack("<BHH", 0, len(member.head), 0xFFFF ^ len(member.head)) + member.head
        content = member.head + content
        member = Member(f"{number}.nii", quoted + member.packed, len(content), zlib.crc32(content))
        members.append(member)
    whole = member.head + member.packed
    places = [len(whole) - len(one.packed) - len(one.head) for one in members]
    return whole + _directory([one.entry(at) for one, at in zip(members, places, strict=True)], len(whole))


def nifti_bomb(shape: Sequence[int], num_bytes: int, pattern: bytes = b"\0") -> bytes:
    """A .nii.gz of a header with this shape, int16, and then so many bytes."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated(nifti_header(shape) + bytes(4), num_bytes, pattern) + bytes(8)


def nifti_header(shape: Sequence[int]) -> bytes:
    header = Nifti1Header()
    header.set_data_dtype("int16")
    header.set_data_shape(shape)
    header["magic"], header["vox_offset"] = b"n+1", 352
    return bytes(header.binaryblock)


def png_claiming(width: int, height: int) -> bytes:
    """8-bit grey, of nearly no pixels."""
    chunks = {
        b"IHDR": struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(1000)),
        b"IEND": b"",
    }
    parts = [struct.pack(">I", len(data)) + name + data + _crc(name + data) for name, data in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff_claiming(width: int, height: int) -> bytes:
    """8-bit grey in one strip of 16 bytes."""
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 16))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(tags)) + entries + bytes(4)


def npy_with(header: bytes, content: bytes) -> bytes:
    """A .npy with any header at all."""
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header) + 1) + header + b"\n" + content


def npy_of_objects(pickle: bytes) -> bytes:
    return npy_with(b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 48, 48), }", pickle)


def dicom_claiming(good: bytes) -> bytes:
    """Its pixels say that they are 4 GB."""
    at = good.index(PIXELS) + len(PIXELS)
    return good[:at] + struct.pack("<I", 2**32 - 16) + good[at + 4 :]


def dicom_of_frames(good: bytes, num_frames: int) -> bytes:
    """As many frames as it says, each described by 8 bytes, as an enhanced DICOM describes frames."""
    at = good.index(PIXELS)
    frames = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * num_frames
    return good[:at] + PER_FRAME_GROUPS + struct.pack("<I", len(frames)) + frames + good[at:]


def dicom_nested(good: bytes, depth: int) -> bytes:
    """Sequences of unknown length in sequences."""
    at = good.index(PIXELS)
    inside = PER_FRAME_GROUPS + struct.pack("<IHHI", TOO_LARGE, 0xFFFE, 0xE000, TOO_LARGE)
    return good[:at] + inside * depth + good[at:]


def claimed_frames(num_frames: int) -> Dataset:
    """The tag that goes with `dicom_of_frames`."""
    claimed = Dataset()
    claimed.NumberOfFrames = num_frames
    return claimed


def trickle(num_bytes: int, piece_bytes: int = 2**16) -> Iterator[bytes]:
    """Zeros whose number nobody is told before: sent in chunks."""
    for _ in range(num_bytes // piece_bytes):
        yield bytes(piece_bytes)


def _directory(entries: Sequence[bytes], at: int) -> bytes:
    size = sum(map(len, entries))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(entries), len(entries), size, at, 0)
    return b"".join(entries) + end


def _crc(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))
