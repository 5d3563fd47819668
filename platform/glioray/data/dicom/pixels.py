"""The values of slices: decoded, inverted where dark is bright, rescaled. pydicom clears bits that are not stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import iter_pixels
from pydicom.uid import UID, RLELossless

from glioray.data.dicom.bounds import WholeFile
from glioray.data.dicom.codestream import coded_size, leads_nowhere, rle_exceeds
from glioray.data.dicom.headers import DAMAGED, Encoding, Frame
from glioray.data.machine_errors import raise_if_of_machine
from glioray.errors import UnreadableError


def read_frames(frames: Sequence[Frame]) -> NDArray[Any]:
    """(N, H, W) in the order of the frames: integers as stored, float32 where a rescale changes them.

    Raises:
        UnreadableError: a file's pixels are damaged, or not of the size that its header claims.
    """
    is_plain = all(frame.slope == 1 and frame.intercept == 0 for frame in frames)
    values: NDArray[Any] | None = None
    for number, (frame, stored) in enumerate(zip(frames, _stored(frames), strict=True)):
        pixels = stored if is_plain else (stored * frame.slope + frame.intercept).astype(np.float32)
        if values is None:
            values = np.empty((len(frames), *pixels.shape), dtype=_common_type(frames, is_plain))
        values[number] = pixels
    if values is None:
        raise UnreadableError("a series without a slice")
    return values


def _common_type(frames: Sequence[Frame], is_plain: bool) -> np.dtype[Any]:
    if not is_plain:
        return np.dtype(np.float32)
    return np.result_type(*{_type(frame.encoding) for frame in frames})


def _type(encoding: Encoding) -> np.dtype[Any]:
    size = 1 if encoding.bits_allocated <= 8 else 2 if encoding.bits_allocated <= 16 else 4
    return np.dtype(f"{'i' if encoding.is_signed else 'u'}{size}")


def _stored(frames: Sequence[Frame]) -> Iterator[NDArray[Any]]:
    """(H, W) of each frame as stored; a file is opened once for frames that follow each other."""
    for file, group in groupby(frames, key=lambda frame: frame.file):
        together = list(group)
        try:
            _refuse_false_claims(together[0])
            with file.open("rb") as opened:
                whole: Any = WholeFile(opened)
                decoded = iter_pixels(whole, indices=[frame.index for frame in together], raw=True)
                for frame, pixels in zip(together, decoded, strict=True):
                    yield _as_stored(pixels, frame)
        except DAMAGED as error:
            raise_if_of_machine(error)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableError(f"{together[0].name}: its pixels cannot be read ({reason}).") from None


def _refuse_false_claims(frame: Frame) -> None:
    """A picture may claim another size than the header, and its decoder would allocate that, or lead it nowhere."""
    encoding = frame.encoding
    syntax = UID(encoding.transfer_syntax)
    if not syntax.is_encapsulated:
        return
    with frame.file.open("rb") as opened:
        whole: Any = WholeFile(opened)
        dataset = pydicom.dcmread(whole, specific_tags=["PixelData", "NumberOfFrames"])
    for stream in generate_frames(dataset.PixelData, number_of_frames=encoding.num_frames):
        if syntax == RLELossless:
            if rle_exceeds(stream, _num_bytes(encoding)):
                raise ValueError(f"its runs are more than {encoding.rows} x {encoding.columns} px")
            continue
        if leads_nowhere(stream):
            raise ValueError("the boxes of its JPEG 2000 do not lead to a picture")
        size = coded_size(stream[: 1 << 16])
        if size is not None and size != (encoding.rows, encoding.columns):
            raise ValueError(
                f"the header says {encoding.rows} x {encoding.columns} px, the picture {size[0]} x {size[1]}"
            )


def _num_bytes(encoding: Encoding) -> int:
    """Of one frame; a segment of runs may have one more, to be even."""
    width = -(-encoding.bits_allocated // 8)
    return (encoding.rows * encoding.columns + 1) * width


def _as_stored(pixels: NDArray[Any], frame: Frame) -> NDArray[Any]:
    encoding = frame.encoding
    if pixels.shape != (encoding.rows, encoding.columns):
        raise ValueError(f"{pixels.shape} px, where the header says {(encoding.rows, encoding.columns)}")
    if encoding.photometric == "MONOCHROME1":
        lowest = -(1 << (encoding.bits_stored - 1)) if encoding.is_signed else 0
        top = np.array(2 * lowest + (1 << encoding.bits_stored) - 1, dtype=pixels.dtype)
        inverted: NDArray[Any] = top - pixels
        return inverted
    return pixels
