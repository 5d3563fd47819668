"""Uploaded files to one volume with a model's channels, by what their bytes are. No Ray, no disk.

N slices, C channels, H x W pixels: slices from the lowest up, rows front to back, columns from the patient's right to
left, as the training volumes were read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.image_file import refuse_size
from glioray.data.sequence_names import sequence_of
from glioray.errors import DataError, ModelError
from glioray.serving.volume_settings import Limits


@dataclass(frozen=True)
class Place:
    """Where voxels lie: affine (4, 4) takes (column, row, slice) in a file's own axes to mm (right, front, up).

    `codes` are of NIfTI's qform and sform: 1 of the scanner, 2 aligned to something, 0 not to be relied on. Without a
    known spacing nothing can be said in ml.
    """

    affine: NDArray[np.float64]
    codes: tuple[int, int] = (1, 1)
    is_spacing_known: bool = True

    @property
    def voxel_ml(self) -> float | None:
        """Of one voxel, sheared or not."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000 if self.is_spacing_known else None


@dataclass(frozen=True)
class ScannedVolume:
    """image (N, C, H, W) of any number type, its channels in the model's order."""

    image: NDArray[Any]
    place: Place
    spacing_mm: tuple[float, float, float] | None
    """between slices, rows and columns"""


def by_channel(named: Iterable[tuple[str, Any]], channels: Sequence[str], what: str) -> list[Any]:
    """Things in the order of the channels, each known by any spelling of its sequence.

    Raises:
        ModelError: one is of no channel, is there twice, or is missing; all names are given.
    """
    places = {sequence_of(channel): channel for channel in channels}
    found: dict[str, tuple[str, Any]] = {}
    for name, thing in named:
        channel = places.get(sequence_of(name))
        if channel is None:
            raise ModelError(f"{what} {name!r} is none of the model's channels: {', '.join(channels)}")
        if channel in found:
            raise ModelError(f"{what}s {found[channel][0]!r} and {name!r} are both {channel!r}: send one of them")
        found[channel] = (name, thing)
    if missing := [channel for channel in channels if channel not in found]:
        there = ", ".join(found) or "none"
        raise ModelError(
            f"the model takes {len(channels)} channels ({', '.join(channels)}); found {there}, "
            f"missing {', '.join(missing)}: send a {what} for each"
        )
    return [found[channel][1] for channel in channels]


def channel_places(num_found: int, channels: Sequence[str], order: Sequence[str], name: str) -> list[int]:
    """Where in a file that does not name its channels each of the model's is.

    Args:
        num_found: channels of the file.
        channels: of the model.
        order: what the file's channels are, one after another; empty if they are in the model's order.
        name: how errors name the file.

    Raises:
        ModelError: another number of channels, or names that are not the model's.
    """
    if num_found != len(order or channels):
        told = f"`channels` names {len(order)} ({', '.join(order)})" if order else ""
        wanted = told or f"the model takes {len(channels)} channels ({', '.join(channels)})"
        raise ModelError(
            f"{wanted}, {name} has {num_found}: send one file with all of them, or a part of a form for each sequence"
        )
    if not order:
        return list(range(num_found))
    return by_channel(((word, place) for place, word in enumerate(order)), channels, "channel")


def refuse_large(shape: Sequence[int], itemsize: int, limits: Limits, name: str) -> None:
    """Refuses a volume (N, C, H, W) by what its header says of it, before anything of that size is made.

    Raises:
        DataError: too many slices, voxels or bytes.
        UnreadableError: slices that are none of a head.
    """
    num_slices, voxels = shape[0], math.prod(shape)
    refuse_size(tuple(shape[1:]), name)
    if num_slices > limits.slices:
        raise DataError(f"{name}: {num_slices:,} slices; at most {limits.slices:,} are read.")
    if voxels > limits.voxels:
        raise DataError(f"{name}: {voxels:,} voxels over all sequences; at most {limits.voxels:,} are read.")
    if voxels * itemsize > limits.unpacked_bytes:
        raise DataError(
            f"{name}: {voxels * itemsize / 1e6:,.0f} MB unpacked; at most {limits.unpacked_bytes / 1e6:,.0f} MB are "
            "read. Save it as 16-bit numbers, or cut it to the head."
        )
