"""Raw pixels to the image a model sees, for training and for serving alike.

Nothing here knows of files. N slices, C channels, H x W raw pixels, S x S prepared ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from glioray.data.head import find_head, head_box, head_mask
from glioray.errors import DataError
from glioray.frozen import Frozen

if TYPE_CHECKING:
    from glioray.data.manifest import Normalization

__all__ = [
    "Frame",
    "Prepared",
    "Preprocessing",
    "head_mask",
    "normalize",
    "prepare_mask",
    "prepare_volume",
    "restore_mask",
]

Pixel = TypeVar("Pixel", np.uint8, np.bool_, np.float32)
Intensity = Literal["percentile", "zscore", "as_is"]
VERSION = 2  # rises with every change of this code or of head.py that gives other pixels
LOW_PERCENT, HIGH_PERCENT = 0.5, 99.5
MEAN_VALUE, VALUES_A_SIGMA = 128, 25  # zscore: from -5 to 5 standard deviations
CHUNK_BYTES = 64_000_000


class Preprocessing(Frozen):
    """What is done to raw pixels; stored in the manifest and in every bundle."""

    image_size: int = Field(128, ge=16, le=1024, multiple_of=16, description="side of the prepared image, px")
    crop_head: bool = Field(description="cut to the head's bounding box, so that margins give nothing away")
    intensity: Intensity = Field(
        description="by volume and channel, from the 0.5 to the 99.5 percentile inside the head: percentile: stretched "
        "to 0..255; zscore: its mean to 128 and its standard deviation to 25, and black outside; as_is: the file's own "
        "0..255"
    )
    version: int = Field(VERSION, description="of the code that prepares; shards and bundles of another do not fit")


@dataclass(frozen=True)
class Frame:
    """Which square of the raw picture was prepared: its corner may lie outside, where it is black."""

    raw_height: int
    raw_width: int
    top: int
    left: int
    side: int
    image_size: int


@dataclass(frozen=True)
class Prepared:
    """A volume as a model sees it: image (N,C,S,S) uint8, and figures of the head of each slice, (N,).

    `scale` (C,2) leads back: the raw value is its first column + its second times the prepared value.
    """

    image: NDArray[np.uint8]
    frame: Frame
    scale: NDArray[np.float32]
    brain_mean: NDArray[np.float32]
    brain_std: NDArray[np.float32]
    brain_fraction: NDArray[np.float32]


def prepare_volume(image: NDArray[Any], preprocessing: Preprocessing) -> Prepared:
    """Crops, squares, resizes and scales all slices of one volume in the same way.

    Args:
        image: (N, C, H, W), any number type; one picture is a volume of one slice.
        preprocessing: the settings, from the manifest or the bundle.

    Raises:
        DataError: the shape or the type cannot be prepared as asked.
    """
    _check(image, preprocessing)
    head = find_head(image)
    frame = _frame(head, image.shape[-2:], preprocessing)
    inside = _sample(head, frame)
    small = _resized(image, frame)
    scaled = np.empty(small.shape, dtype=np.uint8)
    scale = np.empty((small.shape[1], 2), dtype=np.float32)
    for channel in range(small.shape[1]):
        scaled[:, channel], scale[channel] = _SCALINGS[preprocessing.intensity](small[:, channel], inside)
    return Prepared(scaled, frame, scale, *_figures(scaled, inside))


def prepare_mask(mask: NDArray[np.uint8], frame: Frame) -> NDArray[np.uint8]:
    """(N, S, S) label map from (N, H, W), nearest neighbor, in the frame of its image."""
    return _sample(mask, frame)


def restore_mask(mask: NDArray[Pixel], frame: Frame) -> NDArray[Pixel]:
    """(..., H, W) in the raw picture's grid from a mask or map (..., S, S); zero outside the frame."""
    rows, in_rows = _places_back(frame.raw_height, frame.top, frame)
    columns, in_columns = _places_back(frame.raw_width, frame.left, frame)
    restored = mask.take(rows, axis=-2).take(columns, axis=-1)
    restored[..., ~in_rows, :] = 0
    restored[..., ~in_columns] = 0
    return restored


def normalize(images: torch.Tensor, normalization: Normalization) -> torch.Tensor:
    """(B, C, S, S) float32 of mean 0 and spread 1 over the train side, from uint8."""
    shape = (1, -1, 1, 1)
    mean = torch.tensor(normalization.mean, dtype=torch.float32, device=images.device).view(shape)
    std = torch.tensor(normalization.std, dtype=torch.float32, device=images.device).view(shape)
    return (images.to(torch.float32) - mean) / std


def _check(image: NDArray[Any], preprocessing: Preprocessing) -> None:
    if image.ndim != 4 or 0 in image.shape:
        raise DataError(f"a volume must be (slices, channels, height, width), this one is {image.shape}")
    if preprocessing.intensity == "as_is" and image.dtype != np.uint8:
        raise DataError(
            f"intensity 'as_is' takes uint8 pixels, these are {image.dtype}; ask for intensity 'percentile'"
        )
    if image.dtype.kind not in "uifb":
        raise DataError(f"pixels must be numbers, these are {image.dtype}")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise DataError("the image holds values that are not finite (NaN or infinity)")


def _frame(head: NDArray[np.bool_], raw_size: Sequence[int], preprocessing: Preprocessing) -> Frame:
    height, width = raw_size
    box = head_box(head, height, width) if preprocessing.crop_head else (0, 0, height, width)
    top, left, box_height, box_width = box
    side = max(box_height, box_width)
    top, left = top - (side - box_height) // 2, left - (side - box_width) // 2
    return Frame(height, width, top, left, side, preprocessing.image_size)


def _resized(image: NDArray[Any], frame: Frame) -> NDArray[np.float32]:
    """(N, C, S, S): the frame's square, dark where it lies outside the picture, a few slices at a time."""
    num_slices, num_channels = image.shape[:2]
    darkest = min(0.0, float(image.min()))
    step = max(1, CHUNK_BYTES // (4 * num_channels * frame.side**2))
    size_px = frame.image_size
    small = np.empty((num_slices, num_channels, size_px, size_px), dtype=np.float32)
    for start in range(0, num_slices, step):
        square = _cut(torch.from_numpy(image[start : start + step].astype(np.float32)), frame, darkest)
        if frame.side != size_px:
            square = torch.nn.functional.interpolate(square, size=size_px, mode="bilinear", antialias=True)
        small[start : start + step] = square.numpy()
    return small


def _cut(pixels: torch.Tensor, frame: Frame, darkest: float) -> torch.Tensor:
    below = frame.top + frame.side - frame.raw_height
    beyond = frame.left + frame.side - frame.raw_width
    if frame.side == frame.raw_height == frame.raw_width:
        return pixels
    # Negative padding cuts.
    return torch.nn.functional.pad(pixels, (-frame.left, beyond, -frame.top, below), value=darkest)


def _sample(mask: NDArray[Pixel], frame: Frame) -> NDArray[Pixel]:
    """(N, S, S) of (N, h, w), nearest neighbor; h x w may be the raw picture at another scale."""
    rows, in_rows = _places(frame.top, frame.raw_height, mask.shape[1], frame)
    columns, in_columns = _places(frame.left, frame.raw_width, mask.shape[2], frame)
    sampled = mask.take(rows, axis=1).take(columns, axis=2)
    sampled[:, ~in_rows] = 0
    sampled[:, :, ~in_columns] = 0
    return sampled


def _places(start: int, raw_length: int, length: int, frame: Frame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each prepared row (or column): its place among `length`, and whether it lies in the picture."""
    raw = start + (np.arange(frame.image_size) + 0.5) * (frame.side / frame.image_size)
    place = np.floor(raw * (length / raw_length)).astype(np.int64)
    return place.clip(0, length - 1), (raw >= 0) & (raw < raw_length)


def _places_back(raw_length: int, start: int, frame: Frame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each raw row (or column): its place in the prepared image, and whether it lies in the frame."""
    prepared = (np.arange(raw_length) + 0.5 - start) * (frame.image_size / frame.side)
    place = np.floor(prepared).astype(np.int64)
    return place.clip(0, frame.image_size - 1), (prepared >= 0) & (prepared < frame.image_size)


# The scalings take the memory of `small` for themselves.
def _stretched(small: NDArray[np.float32], inside: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """(N, S, S) of one channel so that its percentiles inside the head become 0 and 255, and the way back."""
    low, high = _clip_range(_head_pixels(small, inside))
    step = max(high - low, 1e-6) / 255.0
    small -= low
    small *= 1 / step
    return _to_uint8(small), (low, step)


def _standardized(
    small: NDArray[np.float32], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """(N, S, S) of one channel, clipped, of mean 128 and spread 25 inside the head, and the way back.

    What is darker than the clipped range and outside the head is 0, as a skull-stripped volume has it.
    """
    pixels = _head_pixels(small, inside)
    low, high = _clip_range(pixels)
    clipped = np.clip(pixels, low, high, out=pixels)
    mean, step = float(clipped.mean(dtype=np.float64)), max(float(clipped.std(dtype=np.float64)), 1e-6) / VALUES_A_SIGMA
    is_dark = small <= low
    np.clip(small, low, high, out=small)
    small -= mean - MEAN_VALUE * step
    small *= 1 / step
    scaled = _to_uint8(small)
    scaled[is_dark & ~inside] = 0
    return scaled, (mean - MEAN_VALUE * step, step)


def _as_is(small: NDArray[np.float32], inside: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    del inside
    return _to_uint8(small), (0.0, 1.0)


_SCALINGS = {"percentile": _stretched, "zscore": _standardized, "as_is": _as_is}


def _head_pixels(small: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A copy."""
    pixels: NDArray[np.float32] = small[inside] if inside.any() else small.flatten()
    return pixels


def _clip_range(pixels: NDArray[np.float32]) -> tuple[float, float]:
    low, high = np.percentile(pixels, [LOW_PERCENT, HIGH_PERCENT])
    return float(low), float(high)


def _to_uint8(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rounded in place."""
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    scaled: NDArray[np.uint8] = values.astype(np.uint8)
    return scaled


def _figures(
    image: NDArray[np.uint8], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean, spread and fraction of the head of each slice, over all channels; 0 where there is no head."""
    figures = np.zeros((2, len(image)))
    for number, (slice_, head) in enumerate(zip(image, inside, strict=True)):
        pixels = slice_[:, head].astype(np.int64)
        if pixels.size:
            mean = pixels.sum() / pixels.size
            figures[:, number] = mean, np.sqrt(max((pixels**2).sum() / pixels.size - mean**2, 0))
    mean, spread = figures.astype(np.float32)
    return mean, spread, inside.mean(axis=(1, 2)).astype(np.float32)
