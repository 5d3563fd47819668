from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from glioray.data import image_file
from glioray.data.image_file import decode_image, decode_slice
from glioray.errors import UnreadableError

GRADIENT = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (20, 1))


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=format_, **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_every_mode_of_a_grey_picture_gives_the_same_grey(mode: str, format_: str) -> None:
    grey = Image.fromarray(GRADIENT)
    image = grey.convert("P") if mode == "P" else grey.convert(mode)
    assert np.array_equal(decode_image(encoded(image, format_), "x.jpg"), GRADIENT[None])


def test_the_format_is_taken_from_the_bytes_not_the_name() -> None:
    assert decode_image(encoded(Image.fromarray(GRADIENT), "PNG"), "lying.jpg").shape == (1, 20, 25)


def test_a_jpeg_in_color_gives_its_luminance() -> None:
    color = Image.merge("RGB", [Image.fromarray(np.full((32, 32), v, np.uint8)) for v in (200, 100, 50)])
    assert abs(int(decode_image(encoded(color, "JPEG", quality=95), "x")[0, 16, 16]) - 124) <= 2


def test_transparent_pixels_are_black() -> None:
    rgba = np.full((20, 20, 4), 255, np.uint8)
    rgba[:, :10, 3] = 0
    decoded = decode_image(encoded(Image.fromarray(rgba)), "x")
    assert decoded[0, 0, 0] == 0
    assert decoded[0, 0, 15] == 255


def test_sixteen_bits_are_stretched_to_the_pictures_own_maximum() -> None:
    deep = np.linspace(0, 4000, 400).reshape(20, 20).astype(np.uint16)
    decoded = decode_image(encoded(Image.fromarray(deep)), "x")
    assert (decoded.min(), decoded.max()) == (0, 255)


def test_one_bit_gives_black_and_white() -> None:
    decoded = decode_image(encoded(Image.fromarray(GRADIENT > 100)), "x")
    assert set(np.unique(decoded)) == {0, 255}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello, I am text\n" * 9, "is text, not an image"),
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file"),
        (bytes(range(256)), "not an image of a known format"),
    ],
)
def test_what_is_no_picture_is_named_for_what_it_is(content: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as raised:
        decode_image(content, "folder/scan.jpg")
    assert str(raised.value).startswith("folder/scan.jpg: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_a_truncated_picture_is_refused(format_: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), format_)
    with pytest.raises(UnreadableError, match=r"cut\.png"):
        decode_image(content[: len(content) // 2], "cut.png")


def test_a_picture_of_one_pixel_is_refused() -> None:
    with pytest.raises(UnreadableError, match="1 x 1 px"):
        decode_image(encoded(Image.new("L", (1, 1))), "dot.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    content = bytearray(encoded(Image.new("1", (16, 16))))
    content[16:24] = struct.pack(">II", 90_000, 90_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(UnreadableError, match="at most 4000 px on a side|pixels"):
        decode_image(bytes(content), "bomb.png")


def test_a_long_thin_picture_counts_as_the_square_that_it_is_padded_to() -> None:
    with pytest.raises(UnreadableError, match="60000 x 16 px, 1 channel; at most 4000 px"):
        decode_image(encoded(Image.new("1", (60_000, 16))), "thread.png")


def test_an_array_is_as_large_as_its_channels_make_it() -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros((4, 16, 2_001), np.uint8))
    with pytest.raises(UnreadableError, match="4 channels; at most 2000 px"):
        decode_slice(stream.getvalue(), "wide.npy")


def test_pages_of_two_sizes_are_refused() -> None:
    stream = io.BytesIO()
    Image.new("L", (64, 64)).save(stream, "TIFF", save_all=True, append_images=[Image.new("L", (32, 32))])
    with pytest.raises(UnreadableError, match="pages differ in size"):
        decode_slice(stream.getvalue(), "thumbnail.tif")


def test_a_png_that_says_it_is_huge_is_refused_by_its_header() -> None:
    content = bytearray(encoded(Image.new("L", (16, 16))))
    content[16:24] = struct.pack(">II", 100_000, 100_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))

    with pytest.raises(UnreadableError, match="exceeds limit"):
        decode_image(bytes(content), "claims.png")


def test_a_later_page_that_is_huge_is_refused_before_it_is_decoded() -> None:
    stream = io.BytesIO()
    huge = Image.new("L", (9_000, 9_000))
    Image.new("L", (64, 64)).save(stream, "TIFF", save_all=True, append_images=[huge], compression="tiff_deflate")

    with (
        mock.patch.object(image_file, "_pixels", wraps=image_file._pixels) as decoded,
        pytest.raises(UnreadableError, match="pages differ in size"),
    ):
        decode_slice(stream.getvalue(), "claims.tif")

    assert decoded.call_count == 1


def test_the_pages_of_a_tiff_are_bounded_together() -> None:
    page = Image.new("L", (1_500, 1_500))
    content = encoded(page, "TIFF", save_all=True, append_images=[page] * 9, compression="tiff_deflate")
    with pytest.raises(UnreadableError, match="1500 x 1500 px, 8 channels; at most 1414 px"):
        decode_slice(content, "stack.tif")


def test_a_tiff_of_very_many_pages_is_refused_without_walking_to_the_damage_in_the_last() -> None:
    page = Image.new("1", (16, 16))
    content = encoded(page, "TIFF", save_all=True, append_images=[page] * 99)
    with pytest.raises(UnreadableError, match="over 64 pages"):
        decode_slice(content[: len(content) * 9 // 10], "many.tif")


@pytest.mark.parametrize("shape", ["(100000, 100000)", "(4611686018427387904, 4)", "(-16, -16)", "(" * 90 + ")" * 90])
def test_an_array_whose_header_claims_a_huge_or_senseless_shape_is_refused_unallocated(shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(245).encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(256)

    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="not a usable .npy"):
            decode_slice(content, "claims.npy")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_whatever_is_broken_in_a_tiff_is_an_error_of_ours() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (24, 20)).save(stream, "TIFF")
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        content = np.frombuffer(stream.getvalue(), np.uint8).copy()
        where = np.concatenate([random.integers(0, 8, 1), random.integers(len(content) - 200, len(content), 3)])
        content[where] = random.integers(0, 256, 4)
        try:
            decode_slice(content.tobytes(), "broken.tif")
        except UnreadableError:
            refused += 1
    assert refused > 100


def test_a_slice_keeps_the_channels_of_its_file() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    assert np.array_equal(decode_slice(encoded(Image.fromarray(rgb), "TIFF"), "x"), rgb.transpose(2, 0, 1))


def test_the_pages_of_a_tiff_are_channels() -> None:
    pages = [np.full((20, 20), value, np.uint8) for value in (1, 2, 3, 4)]
    first, *others = [Image.fromarray(page) for page in pages]
    content = encoded(first, "TIFF", save_all=True, append_images=others)
    assert np.array_equal(decode_slice(content, "x"), np.stack(pages))


@pytest.mark.parametrize("shape", [(4, 20, 30), (20, 30, 4)])
def test_an_array_has_its_channels_first(shape: tuple[int, ...]) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(shape, np.float32))
    assert decode_slice(stream.getvalue(), "x.npy").shape == (4, 20, 30)


def test_an_array_of_objects_is_never_unpickled() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([[object()]]), allow_pickle=True)
    with pytest.raises(UnreadableError, match="numbers"):
        decode_slice(stream.getvalue(), "evil.npy")


def test_an_array_shorter_than_its_header_says_is_refused() -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros((64, 64), np.float32))
    with pytest.raises(UnreadableError, match="length"):
        decode_slice(stream.getvalue()[:-8], "short.npy")


@pytest.mark.parametrize("decode", [decode_image, decode_slice])
def test_a_png_without_its_head_is_refused(decode) -> None:
    content = encoded(Image.fromarray(GRADIENT))
    with pytest.raises(UnreadableError, match="head"):
        decode(content[:8] + content[33:], "head.png")
