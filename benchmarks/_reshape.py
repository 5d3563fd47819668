"""Damage that knows a format: its fields, sizes and checksums stay in their places, and what they say does not."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib

import h5py
import nibabel
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
from _trees import reshape_json
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

EDGES = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 512, 2**15 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
REALS = (0.0, -0.0, 1.0, -1.0, 1e-40, 1e-3, 99.0, 1e6, 3e38, -3e38, float("inf"), float("nan"))
DICOM_VALUES = (
    *(b"", b"0 ", b"-1", b"nan ", b"1e400 ", b"1\\2 ", b"\\" * 30, b"x" * 70, b"A" * 70_000, b"\0\0", b"\xff\xff"),
    *(b"\0\0\0\x80", b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.4.50", b"MONOCHROME1 ", b"RGB ", b"2147483647"),
    *(
        b"ISO_IR 192",
        b"ISO 2022 IR 87\\ISO 2022 IR 149",
        b"\x1b$B\x1b(J",
        b"99999999999999999999",
        b"1\\0\\0\\0\\1\\0 ",
    ),
    *(b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x00\xe0\x08\0\0\0\x08\0\x05\0CS\0\0", b"\xfe\xff\x00\xe0" * 500),
)
KINDS_OF_VALUES = (b"DS", b"IS", b"SQ", b"UN", b"OB", b"UT", b"CS", b"US", b"FD", b"AT", b"PN", b"UI", b"??")
COMMON_GZIP = b"\x1f\x8b"


def reshape_nifti(rng: random.Random, content: bytes) -> bytes:
    """One to three numbers of the header are others; a packed file is packed again."""
    if content.startswith(COMMON_GZIP):
        return gzip.compress(reshape_nifti(rng, gzip.decompress(content)), 1, mtime=0)
    is_second = content[:4] == struct.pack("<i", 540)
    kind = (nibabel.Nifti2Header if is_second else nibabel.Nifti1Header).template_dtype
    header = np.frombuffer(content[: kind.itemsize], kind).copy()
    for _ in range(rng.randrange(1, 4)):
        values = header[0][rng.choice(kind.names)]
        name = rng.choice([name for name in kind.names if kind[name].base.kind != "S"])
        values = np.atleast_1d(header[name][0]).copy()
        odd = rng.choice(REALS) if values.dtype.kind == "f" else rng.choice(EDGES) * rng.choice((1, 1, -1))
        with np.errstate(all="ignore"):
            values[rng.randrange(len(values))] = np.array([odd], np.float64).astype(values.dtype)[0]
        header[name] = values.reshape(header[name].shape)
    return header.tobytes() + content[kind.itemsize :]


def reshape_dicom(rng: random.Random, content: bytes) -> bytes:
    """Elements left out, there twice, in another order, or with another type or value of the right length."""
    dataset = pydicom.dcmread(io.BytesIO(content), force=True)
    syntax = dataset.file_meta.TransferSyntaxUID
    start = content[: 144 + dataset.file_meta.FileMetaInformationGroupLength]
    elements = [_element(dataset[tag], syntax) for tag in dataset.keys()]  # noqa: SIM118, values would be parsed
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(elements))
        change = rng.randrange(7)
        if change == 0 and len(elements) > 1:
            del elements[place]
        elif change == 1:
            elements.insert(rng.randrange(len(elements)), elements[place])
        elif change == 2 and not syntax.is_implicit_VR:
            elements[place] = elements[place][:4] + rng.choice(KINDS_OF_VALUES) + elements[place][6:]
        else:
            elements[place] = _with_value(elements[place], rng.choice(DICOM_VALUES), syntax.is_implicit_VR)
    return start + b"".join(elements)


def reshape_png(rng: random.Random, content: bytes) -> bytes:
    """Bytes inside its chunks are others, and their checksums are right; packed ones are packed again."""
    chunks = _png_chunks(content)
    for _ in range(rng.randrange(1, 3)):
        place = rng.randrange(len(chunks))
        name, body = chunks[place]
        change = rng.randrange(4)
        if change == 0:
            chunks.insert(place, chunks[rng.randrange(len(chunks))])
        elif change == 1 and len(chunks) > 1:
            del chunks[place]
        elif change == 2 and name == b"IDAT":
            chunks[place] = name, zlib.compress(b"\x05" * rng.choice((0, 10, 100_000)), 1)
        else:
            chunks[place] = rng.choice((name, name, b"acTL", b"tRNS", b"PLTE", b"iCCP", b"zTXt")), _poked(rng, body)
    packed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return content[:8] + b"".join(packed)


def reshape_tiff(rng: random.Random, content: bytes) -> bytes:
    """Tag, type, count or value of one to three entries of its directories are others."""
    spoiled, order = bytearray(content), "<" if content[:2] == b"II" else ">"
    entries, at = [], struct.unpack(f"{order}I", content[4:8])[0]
    while at and at + 2 <= len(content) and len(entries) < 100:
        (count,) = struct.unpack_from(f"{order}H", content, at)
        entries += [at + 2 + 12 * number for number in range(count)]
        end = at + 2 + 12 * count
        at = struct.unpack_from(f"{order}I", content, end)[0] if end + 4 <= len(content) else 0
    for _ in range(rng.randrange(1, 4)):
        offset, kind = rng.choice(((0, "H"), (2, "H"), (4, "I"), (8, "I"), (8, "H")))
        place = rng.choice(entries) + offset
        if place + 4 <= len(spoiled):
            struct.pack_into(f"{order}{kind}", spoiled, place, rng.choice(EDGES) % 2 ** (8 * struct.calcsize(kind)))
    return bytes(spoiled)


def reshape_picture(rng: random.Random, content: bytes) -> bytes:
    """A PNG or a TIFF by its structure, another picture by its bytes."""
    if content.startswith(b"\x89PNG"):
        return reshape_png(rng, content)
    return reshape_tiff(rng, content) if content[:2] in (b"II", b"MM") else _poked(rng, content)


def reshape_zip(rng: random.Random, content: bytes) -> bytes:
    """Members with other names, contents or ways of packing, or there twice; its directory is right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(members))
        name, inner = members[place]
        change = rng.randrange(4)
        if change == 0:
            names = ("../x", "/x", "a\\b", "", ".", "a/../b", "x" * 300, "\u0663", f"{name}/y", "scan.nii", "t1.npy")
            members[place] = rng.choice(names), inner
        elif change == 1 and len(members) > 1:
            del members[place]
        elif change == 2:
            members.insert(place, members[rng.randrange(len(members))])
        else:
            members[place] = name, _inner(rng, inner)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, inner in members:
            ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            way = rng.choices(ways, (40, 40, 5, 1))[0]  # the last two take long to write
            archive.writestr(zipfile.ZipInfo(name or "x"), inner, way)
    return stream.getvalue()


def reshape_safetensors(rng: random.Random, content: bytes) -> bytes:
    """Names, types, shapes and places of its tensors are others; the length of the header is right."""
    length = int.from_bytes(content[:8], "little")
    header = reshape_json(rng, content[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def reshape_parquet(rng: random.Random, content: bytes) -> bytes:
    """A shard with other columns, types or lengths, sound as a Parquet file; or bytes of its footer are others."""
    if rng.random() < 0.4:
        length = int.from_bytes(content[-8:-4], "little") + 8
        return content[:-length] + _poked(rng, content[-length:])
    table = pq.read_table(io.BytesIO(content), partitioning=None)
    for _ in range(rng.randrange(1, 3)):
        place = rng.randrange(table.num_columns)
        name, change = table.column_names[place], rng.randrange(4)
        if change == 0 and table.num_columns > 1:
            table = table.remove_column(place)
        elif change == 1:
            table = table.rename_columns([n if n != name else "label" for n in table.column_names])
        elif change == 2:
            table = table.slice(0, rng.choice((0, 1)))
        else:
            table = table.set_column(place, name, rng.choice(_odd_columns(table.num_rows)))
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=rng.choice((1, 2, 100)))
    return stream.getvalue()


def reshape_h5(rng: random.Random, content: bytes) -> bytes:
    """One of its data sets is of another type, shape, kind or packing."""
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        name = rng.choice(list(file) or ["image"])
        shape = file[name].shape if isinstance(file.get(name), h5py.Dataset) else (4, 4, 3)
        if name in file:
            del file[name]
        odd = (np.float64("nan"), np.zeros((0,)), "text", np.zeros(shape, "S4"), np.zeros(shape, np.complex64), None)
        real = tuple(rng.choice((0, 1, 3, 4, side)) for side in shape)
        change = rng.randrange(5)
        if change == 0:
            value = rng.choice(odd)
            file.create_dataset(name, data=h5py.Empty("f4") if value is None else value)
        elif change == 1:
            file[name] = rng.choice(
                (h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/passwd", "/x"), h5py.SoftLink("/"))
            )
        elif change == 2:
            file.create_group(name)
        else:
            values = np.full(real, rng.choice(REALS)).astype(rng.choice(("f2", "f4", "f8", ">f4", "f8")))
            chunked = 0 not in real and bool(rng.randrange(2))
            file.create_dataset(name, data=values, **({"chunks": real, "compression": "gzip"} if chunked else {}))
    return stream.getvalue()


def _poked(rng: random.Random, content: bytes) -> bytes:
    """One to eight bytes are others."""
    spoiled = bytearray(content or b"\0")
    for _ in range(rng.randrange(1, 9)):
        spoiled[rng.randrange(len(spoiled))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(spoiled)


def _inner(rng: random.Random, content: bytes) -> bytes:
    """A member by its own structure where it has one that is known."""
    if content[128:132] == b"DICM":
        try:
            return reshape_dicom(rng, content)
        except Exception:  # one that was damaged before
            return _poked(rng, content)
    return _poked(rng, content)


def _element(element: pydicom.DataElement, syntax: pydicom.uid.UID) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    write_data_element(stream, element)
    return bytes(stream.getvalue())


def _with_value(element: bytes, value: bytes, is_implicit: bool) -> bytes:
    """The same element with another value; its length is right, as far as its field can say it."""
    if is_implicit:
        return element[:4] + struct.pack("<I", len(value)) + value
    if element[4:6] in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OF", b"OD", b"OL"):
        return element[:8] + struct.pack("<I", len(value)) + value
    return element[:6] + struct.pack("<H", len(value) & 0xFFFF) + value


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks or [(b"IHDR", b"\0" * 13)]


def _odd_columns(rows: int) -> list[pa.Array]:
    return [
        pa.nulls(rows),
        pa.array(["text"] * rows),
        pa.array([-1] * rows, pa.int64()),
        pa.array([2**63] * rows, pa.uint64()),
        pa.array([float("nan")] * rows),
        pa.array([None] * rows, pa.int32()),
        pa.array([[1, 2]] * rows),
        pa.array([b"\xff"] * rows),
        pa.array([{"a": 1}] * rows),
        pa.array([0] * rows, pa.timestamp("ns")),
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((max(rows, 1), 1, 2), np.float32)).slice(0, rows),
    ]
