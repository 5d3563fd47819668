"""Pixels for people and for JSON: a slice in grey, labels drawn over it, a label map as runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Okabe and Ito's colors, which stay apart for color-blind eyes; the first ones show best on grey.
COLORS = ("#d55e00", "#56b4e9", "#f0e442", "#009e73", "#cc79a7", "#0072b2", "#e69f00")
OPACITY = 0.5
HEAT_COLOR, HEAT_OPACITY = COLORS[0], 0.7


def colors_of(labels: dict[str, int]) -> dict[str, str]:
    """The color of each label, `#rrggbb`, by its place in the order."""
    return {name: COLORS[index % len(COLORS)] for index, name in enumerate(labels)}


def grey_picture(raw: NDArray[Any], channels: tuple[str, ...]) -> NDArray[np.uint8]:
    """(H,W) of a raw slice (C,H,W), for a screen."""
    return grey(raw[channels.index(shown(channels))])


def shown(channels: Sequence[str]) -> str:
    """The channel that stands for all where one is drawn: FLAIR where there is one, else the first."""
    return next((name for name in channels if "flair" in name.lower()), channels[0])


def grey(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels of one channel, or all of its slices together, on the scale of a screen."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.5])
    scaled: NDArray[np.uint8] = np.clip((values - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return scaled


def overlay(
    grey: NDArray[np.uint8], mask: NDArray[np.uint8], labels: dict[str, int], opacity: float = OPACITY
) -> NDArray[np.uint8]:
    """(H,W,3): the labels of a mask (H,W), half transparent over the slice."""
    picture = np.repeat(grey[..., None], 3, axis=2)
    for name, color in colors_of(labels).items():
        inside = mask == labels[name]
        mixed = picture[inside] * (1 - opacity) + np.array(_rgb(color)) * opacity
        picture[inside] = np.rint(mixed).astype(np.uint8)
    return picture


def heat_overlay(grey: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H,W,3): a heat map (H,W) in 0..1 over the slice, in one color, which is the stronger the higher the map is."""
    opacity = (HEAT_OPACITY * heat)[..., None]
    mixed: NDArray[np.uint8] = np.rint(grey[..., None] * (1 - opacity) + np.array(_rgb(HEAT_COLOR)) * opacity).astype(
        np.uint8
    )
    return mixed


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The file of (H,W) or (H,W,3); written for speed, not for the last byte."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def runs(mask: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """Values and lengths of the runs of equal pixels of (H,W), row after row."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(starts, append=flat.size)
    return flat[starts].tolist(), lengths.tolist()


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
