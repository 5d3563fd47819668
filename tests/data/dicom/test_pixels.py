from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from glioray.data.dicom.pixels import read_frames
from glioray.data.dicom.series import find_series
from glioray.errors import UnreadableError


def values(root):
    (series,) = find_series(root).series
    assert series.problem is None
    return read_frames(series.frames)


def setter(**tags):
    def change(dataset, number):
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)

    return change


def test_stored_integers_stay_as_they_are(tmp_path, write_series) -> None:
    pixels = write_series()
    read = values(tmp_path)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, pixels)


def test_signed_pixels_keep_their_sign(tmp_path, write_series) -> None:
    pixels = write_series(pixels=np.random.default_rng(0).integers(-2000, 2000, (4, 12, 10)).astype(np.int16))
    np.testing.assert_array_equal(values(tmp_path), pixels)


def test_a_rescale_gives_the_values_of_the_standard(tmp_path, write_series) -> None:
    def change(dataset, number):
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5" if number else "2", "-100"

    pixels = write_series(change=change)
    read = values(tmp_path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[1:], pixels[1:] * 0.5 - 100)
    np.testing.assert_array_equal(read[0], pixels[0] * 2.0 - 100)


def test_dark_where_it_should_be_bright_is_turned_over(tmp_path, write_series) -> None:
    pixels = write_series(change=setter(PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(values(tmp_path), 4095 - pixels)


def test_signed_pixels_are_turned_over_about_their_middle(tmp_path, write_series) -> None:
    pixels = np.array([-2048, 2047, 0] * 40, np.int16).reshape(1, 12, 10).repeat(3, axis=0)
    write_series(pixels=pixels, change=setter(PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(values(tmp_path), -1 - pixels)


def test_bits_above_those_stored_are_left_out(tmp_path, write_series) -> None:
    """An old overlay lies in the upper bits."""
    clean = np.random.default_rng(0).integers(0, 4096, (4, 12, 10)).astype(np.uint16)
    write_series(pixels=clean | 0x8000, change=setter(BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(values(tmp_path), clean)


def test_signed_pixels_of_twelve_bits_are_extended(tmp_path, write_series) -> None:
    signed = np.random.default_rng(0).integers(-2048, 2048, (4, 12, 10)).astype(np.int16)
    write_series(pixels=signed & 0x0FFF, change=setter(BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(values(tmp_path), signed)


def test_run_length_coding_changes_nothing(tmp_path, write_series) -> None:
    pixels = write_series(change=lambda dataset, number: dataset.compress(RLELossless, generate_instance_uid=False))
    np.testing.assert_array_equal(values(tmp_path), pixels)


def test_runs_that_become_more_than_the_picture_are_refused(tmp_path, write_series, tools) -> None:
    bomb = struct.pack("<16L", 2, 64, 66, *[0] * 13) + bytes([129, 0]) * 600_000

    write_series(change=lambda dataset, number: tools.compress(dataset, RLELossless, bomb))
    with pytest.raises(UnreadableError, match="its runs are more than 12 x 10 px"):
        values(tmp_path)


def test_jpeg_2000_changes_nothing(tmp_path, write_series, tools) -> None:
    pixels = np.random.default_rng(0).integers(0, 60000, (3, 32, 40)).astype(np.uint16)

    def change(dataset, number):
        file = io.BytesIO()
        Image.fromarray(pixels[number]).save(file, "JPEG2000", no_jp2=True, irreversible=False)
        tools.compress(dataset, JPEG2000Lossless, file.getvalue())

    write_series(pixels=pixels, change=change)
    np.testing.assert_array_equal(values(tmp_path), pixels)


@pytest.mark.timeout(60)
def test_a_jpeg_2000_whose_boxes_lead_nowhere_is_refused(tmp_path, write_series, tools) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((32, 40), np.uint8)).save(file, "JPEG2000")
    stream = bytearray(file.getvalue())
    stream[12:16] = bytes(4)  # the length of the second box
    write_series(
        pixels=np.zeros((3, 32, 40), np.uint8),
        change=lambda dataset, number: tools.compress(dataset, JPEG2000Lossless, bytes(stream)),
    )
    with pytest.raises(UnreadableError, match="do not lead to a picture"):
        values(tmp_path)


def test_jpeg_ls_changes_nothing(tmp_path, write_series, tools) -> None:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    pixels = np.random.default_rng(0).integers(0, 60000, (3, 32, 40)).astype(np.uint16)

    def change(dataset, number):
        tools.compress(dataset, JPEGLSLossless, bytes(jpeg_ls.encode_array(pixels[number])))

    write_series(pixels=pixels, change=change)
    np.testing.assert_array_equal(values(tmp_path), pixels)


def jpeg_of(size):
    file = io.BytesIO()
    Image.fromarray(np.full(size, 77, np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_baseline_jpeg_is_read(tmp_path, write_series, tools) -> None:
    pixels = np.full((3, 32, 40), 77, np.uint8)
    stream = jpeg_of((32, 40))
    write_series(pixels=pixels, change=lambda dataset, number: tools.compress(dataset, JPEGBaseline8Bit, stream))
    np.testing.assert_allclose(values(tmp_path), pixels, atol=1)


def test_a_picture_larger_than_its_header_is_refused_before_it_is_decoded(tmp_path, write_series, tools) -> None:
    stream = jpeg_of((640, 400))
    write_series(
        pixels=np.zeros((3, 32, 40), np.uint8),
        change=lambda dataset, number: tools.compress(dataset, JPEGBaseline8Bit, stream),
    )
    with pytest.raises(UnreadableError, match=r"header says 32 x 40 px, the picture 640 x 400"):
        values(tmp_path)


def test_cut_off_pixels_are_refused_by_name(tmp_path, write_series) -> None:
    write_series()
    path = tmp_path / "scan" / "IM03_T1"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UnreadableError, match=r"^scan/IM03_T1: its pixels cannot be read"):
        values(tmp_path)


@pytest.mark.parametrize("part", ["the whole", "a fragment"])
def test_what_compressed_pixels_say_that_they_have_takes_no_memory(tmp_path, write_series, tools, little_room, part):
    stream = jpeg_of((32, 40))
    pixels = np.zeros((3, 32, 40), np.uint8)
    write_series(pixels=pixels, change=lambda dataset, _: tools.compress(dataset, JPEGBaseline8Bit, stream))
    path = tmp_path / "scan" / "IM03_T1"
    content = path.read_bytes()
    at = content.index(stream) - 4 if part == "a fragment" else content.index(b"\xe0\x7f\x10\x00OB") + 8
    path.write_bytes(content[:at] + struct.pack("<I", 2**32 - 16) + content[at + 4 :])
    np.testing.assert_allclose(values(tmp_path), np.full((3, 32, 40), 77), atol=1)  # what is there is all there is
