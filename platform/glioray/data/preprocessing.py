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
from pydantic import BaseModel, ConfigDict, Field

from glioray.data.head import find_head, head_box, head_mask
from glioray.errors import DataError

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

Pixel = TypeVar("Pixel", np.uint8, np.bool_)
Intensity = Literal["percentile", "as_is"]
LOW_PERCENT, HIGH_PERCENT = 0.5, 99.5


class Preprocessing(BaseModel):
    """What is done to raw pixels; stored in the manifest and in every bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = Field(128, ge=16, le=1024, multiple_of=16, description="side of the prepared image, px")
    crop_head: bool = Field(description="cut to the head's bounding box, so that margins give nothing away")
    intensity: Intensity = Field(
        description="percentile: each volume and channel stretched to 0..255 inside the head; "
        "as_is: the file's own 0..255"
    )


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
    """A volume as a model sees it: image (N,C,S,S) uint8, and figures of the head of each slice, (N,)."""

    image: NDArray[np.uint8]
    frame: Frame
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
    pixels = torch.from_numpy(np.array(image, dtype=np.float32))
    head = find_head(pixels)
    frame = _frame(head, image.shape[-2:], preprocessing)
    inside = _sample(head, frame)
    small = _resized(_cut(pixels, frame), frame.image_size).numpy()
    if preprocessing.intensity == "percentile":
        small = _stretch(small, inside)
    scaled = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return Prepared(scaled, frame, *_figures(scaled, inside))


def prepare_mask(mask: NDArray[np.uint8], frame: Frame) -> NDArray[np.uint8]:
    """(N, S, S) label map from (N, H, W), nearest neighbor, in the frame of its image."""
    return _sample(mask, frame)


def restore_mask(mask: NDArray[np.uint8], frame: Frame) -> NDArray[np.uint8]:
    """(..., H, W) in the raw picture's grid from a prepared (..., S, S); zero outside the frame."""
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


def _cut(pixels: torch.Tensor, frame: Frame) -> torch.Tensor:
    """(N, C, side, side): the frame's square, black where it lies outside the picture."""
    below = frame.top + frame.side - frame.raw_height
    beyond = frame.left + frame.side - frame.raw_width
    # Negative padding cuts.
    return torch.nn.functional.pad(pixels, (-frame.left, beyond, -frame.top, below))


def _resized(square: torch.Tensor, size_px: int) -> torch.Tensor:
    if square.shape[-1] == size_px:
        return square
    return torch.nn.functional.interpolate(square, size=size_px, mode="bilinear", antialias=True)


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


def _stretch(small: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each channel so that its 0.5 and 99.5 percentiles inside the head become 0 and 255."""
    channels = []
    for channel in range(small.shape[1]):
        pixels = small[:, channel][inside] if inside.any() else small[:, channel].ravel()
        low, high = np.percentile(pixels, [LOW_PERCENT, HIGH_PERCENT])
        channels.append((small[:, channel] - low) * (255.0 / max(high - low, 1e-6)))
    return np.stack(channels, axis=1).astype(np.float32)


def _figures(
    image: NDArray[np.uint8], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean, spread and fraction of the head of each slice, over all channels; 0 where there is no head."""
    count = np.maximum(inside.sum(axis=(1, 2)), 1) * image.shape[1]
    pixels = np.where(inside[:, None], image, np.uint8(0)).astype(np.int64)
    mean = pixels.sum(axis=(1, 2, 3)) / count
    variance = (pixels * pixels).sum(axis=(1, 2, 3)) / count - mean**2
    spread = np.sqrt(np.maximum(variance, 0))
    return mean.astype(np.float32), spread.astype(np.float32), inside.mean(axis=(1, 2)).astype(np.float32)
