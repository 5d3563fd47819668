"""Bytes of a picture file to pixels; the format is read from the bytes, never from the name."""

from __future__ import annotations

import io
import math
import struct
import tokenize
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from glioray.data.machine_errors import raise_if_of_machine
from glioray.errors import UnreadableError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
SMALLEST_SIDE_PX = 16
MOST_PAGES = 64
MOST_PIXELS = 16_000_000  # of the square around a picture, times its channels: what preparing it takes
BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, OverflowError, struct.error),
    tokenize.TokenError,  # numpy, of an array's header
    AssertionError,  # Pillow, of a PNG whose parts are not in their order
)
NPY_MAGIC = b"\x93NUMPY"
KNOWN_BEGINNINGS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GIF8", "a GIF"),
    (NPY_MAGIC, "a numpy array"),
)


def decode_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """(1, H, W) grey, of any mode: transparency over black, 16-bit stretched to its own maximum.

    Raises:
        UnreadableError: no picture, a damaged one, one under 16 px or too large; it names the file.
    """
    image = _open(content, name)
    image.draft("L", image.size)  # a JPEG's own luminance, which saves decoding its color
    return _checked(_grey(image, name)[None], name)


def decode_slice(content: bytes, name: str) -> NDArray[Any]:
    """(C, H, W): the channels of a PNG or TIFF, the pages of a TIFF, or a .npy array as it stands.

    Raises:
        UnreadableError: as `decode_image`; an array that is not 2D or 3D numbers.
    """
    if content.startswith(NPY_MAGIC):
        return _checked(_array(content, name), name)
    image = _open(content, name)
    size, page = image.size, 0
    channels: list[NDArray[Any]] = []
    while _turn_to(image, page, name):
        # Before anything of the page is decoded: its header says what it would take.
        if page == MOST_PAGES:
            raise UnreadableError(f"{name}: over {MOST_PAGES} pages; a slice has a page for each of its channels.")
        if image.size != size:
            raise UnreadableError(f"{name}: its pages differ in size; a slice has one size in all channels.")
        _refuse_large(size, len(channels) + len(image.getbands()), name)
        channels.extend(_channels(image, name))
        page += 1
    return _checked(np.stack(channels), name)


def read_npy(content: bytes, name: str, num_axes: tuple[int, ...]) -> NDArray[Any]:
    """The numbers of a .npy file, of one of these numbers of axes; objects, which numpy would unpickle, are refused.

    Raises:
        UnreadableError: another shape, no numbers, or another length than its header says.
    """
    stream = io.BytesIO(content)
    try:
        shape, dtype = _npy_header(stream)
        if dtype.kind not in "uifb" or len(shape) not in num_axes:
            axes = " or ".join(map(str, num_axes))
            raise ValueError(f"shape {shape} of {dtype}; wanted numbers on {axes} axes")
        if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
            raise ValueError("its length is not that of its header")
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except BROKEN as error:
        raise _damaged(name, "not a usable .npy", error) from None


def num_npy_axes(content: bytes) -> int | None:
    """How many axes a .npy file says that it has; none where it says nothing that can be read."""
    try:
        return len(_npy_header(io.BytesIO(content))[0])
    except BROKEN:
        return None


def what_it_seems(content: bytes) -> str:
    """A few words on what bytes are that are no picture: `text`, `empty`, `an HDF5 file`."""
    if not content:
        return "is empty"
    for beginning, kind in KNOWN_BEGINNINGS:
        if content.startswith(beginning):
            return f"is {kind}, not an image"
    if content[128:132] == b"DICM":
        return "is DICOM, not a picture file"
    head = content[:512]
    if all(byte >= 32 or byte in (9, 10, 13) for byte in head):
        return "is text, not an image"
    return "is not an image of a known format"


def stretched(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Stretched from 0 (or the least value below it) to the picture's own maximum."""
    values = np.nan_to_num(pixels.astype(np.float32), posinf=0, neginf=0)
    low, high = min(0.0, float(values.min())), float(values.max())
    scaled: NDArray[np.uint8] = np.rint((values - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
    return scaled


def refuse_size(shape: tuple[int, ...], name: str) -> None:
    """Refuses a slice (C, H, W) that is none of a head, or that would take too much memory to prepare.

    Raises:
        UnreadableError: under 16 px on a side, or too large.
    """
    channels, height, width = shape
    _refuse_large((width, height), channels, name)
    if min(height, width) < SMALLEST_SIDE_PX:
        raise UnreadableError(f"{name}: {width} x {height} px; a scan is at least {SMALLEST_SIDE_PX} px on each side.")


def _open(content: bytes, name: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"{name}: {error}") from None
    except (UnidentifiedImageError, *BROKEN) as error:
        raise_if_of_machine(error)
        raise UnreadableError(f"{name}: {what_it_seems(content)}; wanted one of {', '.join(FORMATS)}.") from None
    _refuse_large(image.size, 1, name)
    return image


def _turn_to(image: Image.Image, page: int, name: str) -> bool:
    """Whether it has such a page, counted from 0. Only asked for one by one: counting them walks along all of them."""
    try:
        image.seek(page)
    except EOFError:
        return False
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"{name}: page {page + 1}: {error}") from None
    except BROKEN as error:
        raise _damaged(name, f"page {page + 1} is damaged", error) from None
    return True


def _refuse_large(size: tuple[int, int], channels: int, name: str) -> None:
    """A long thin picture counts as the square that it is padded to."""
    if max(size) ** 2 * channels > MOST_PIXELS:
        most = math.isqrt(MOST_PIXELS // channels)
        raise UnreadableError(
            f"{name}: {size[0]} x {size[1]} px, {channels} channel{'s' if channels > 1 else ''}; "
            f"at most {most} px on a side are read."
        )


def _grey(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """(H, W)"""
    pixels = _pixels(_plain(image, name), name)
    if pixels.dtype != np.uint8:
        return stretched(pixels)
    if pixels.ndim == 3:
        return np.array(Image.fromarray(pixels).convert("L"))
    return pixels


def _channels(image: Image.Image, name: str) -> NDArray[Any]:
    """(C, H, W) of the page that it is turned to, transparency kept as a channel."""
    opaque = image.mode in ("RGB", "RGBA", "L", "I;16", "I;16B", "I", "F")
    pixels = _pixels(image if opaque else _plain(image, name), name)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _plain(image: Image.Image, name: str) -> Image.Image:
    """As grey or RGB, any transparency laid over black."""
    try:
        if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
            colored = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), colored).convert("RGB")
        if image.mode == "1":
            return image.convert("L")
        return image if image.mode in ("L", "RGB", "I", "F") or image.mode.startswith("I;") else image.convert("RGB")
    except BROKEN as error:
        raise _damaged(name, f"a damaged {image.format}", error) from None


def _pixels(image: Image.Image, name: str) -> NDArray[Any]:
    try:
        image.load()
        return np.array(image)
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"{name}: {error}") from None
    except BROKEN as error:
        raise _damaged(name, f"a damaged {image.format or 'image'}", error) from None


def _array(content: bytes, name: str) -> NDArray[Any]:
    """(C, H, W) of a .npy file; channels may come last."""
    array = read_npy(content, name, (2, 3))
    if array.ndim == 2:
        return np.ascontiguousarray(array[None])
    channels_last = array.shape[2] <= 8 < array.shape[0]
    return np.ascontiguousarray(array.transpose(2, 0, 1) if channels_last else array)


def _npy_header(stream: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(stream)
    except (RecursionError, MemoryError):  # numpy parses it as Python, whose parser gives up so
        raise ValueError("its header is nested too deeply") from None
    return shape, dtype


def _checked(pixels: NDArray[Any], name: str) -> NDArray[Any]:
    refuse_size(pixels.shape, name)
    return pixels


def _damaged(name: str, what: str, error: Exception) -> UnreadableError:
    raise_if_of_machine(error)
    return UnreadableError(f"{name}: {what} ({error}).")
