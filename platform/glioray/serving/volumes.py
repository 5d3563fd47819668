"""A volume segmented slice by slice, as a row of steps between which a replica answers others. No Ray.

N slices, C channels, H x W pixels.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.errors import GliorayError
from glioray.serving import drawing
from glioray.serving.predictor import Predictor, PreparedSlice, Segmented
from glioray.serving.problems import Problem, problem_of
from glioray.serving.upload import Sent
from glioray.serving.volume_file import Place, ScannedVolume
from glioray.serving.volume_reading import read_volume
from glioray.serving.volume_settings import Limits

FAST = 1  # zlib's level: masks are nearly empty


@dataclass(frozen=True)
class Progress:
    """How many of the slices are answered."""

    done: int
    total: int


@dataclass(frozen=True)
class SegmentedVolume:
    """The labels of all slices, packed small: it crosses processes, and is kept until it is fetched.

    Slices go up, rows to the back, columns to the patient's left.
    """

    shape: tuple[int, int, int]
    packed_mask: bytes
    pixels: dict[str, tuple[int, ...]]
    """of each label in each slice"""
    pictures: dict[str, tuple[bytes, ...]]
    """by channel, in the model's order: each slice in grey, PNG"""
    place: Place
    spacing_mm: tuple[float, float, float] | None
    in_domain: bool | None = None
    """whether half of the slices that show something are like those of training, or more; none: not known"""

    @property
    def mask(self) -> NDArray[np.uint8]:
        """(N, H, W) label map, not to be written to."""
        return np.frombuffer(zlib.decompress(self.packed_mask), np.uint8).reshape(self.shape)

    @property
    def shown(self) -> tuple[bytes, ...]:
        """Each slice in grey, PNG, in the channel that stands for all."""
        return self.pictures[drawing.shown(tuple(self.pictures))]

    @property
    def fullest_slice(self) -> int:
        """The slice with the most labeled pixels, the lowest of several; the middle one where nothing is labeled."""
        by_slice = np.sum(list(self.pixels.values()), axis=0)
        return int(by_slice.argmax()) if by_slice.any() else self.shape[0] // 2

    @property
    def num_bytes(self) -> int:
        """Of memory that it takes."""
        return len(self.packed_mask) + sum(len(picture) for slices in self.pictures.values() for picture in slices)


Step = Progress | SegmentedVolume | Problem


async def segment_volume(
    predictor: Predictor, sent: Sent, limits: Limits, batch_size: int, executor: Executor | None = None
) -> AsyncGenerator[Step, None]:
    """Progress after every batch, and at last the segmented volume, or the problem that ended it.

    All of it runs beside the event loop; between two batches the executor is free for others. Whoever stops iterating
    stops the work at the next batch.

    Args:
        predictor: of a segmentation model.
        sent: the files.
        limits: of the volume.
        batch_size: slices of one pass through the network.
        executor: of the passes; none takes the loop's own. Reading and preparing take seconds and always run there.
    """
    opened = await asyncio.to_thread(_open, predictor, sent, limits)
    if isinstance(opened, Problem):
        yield opened
        return
    slices, pictures, scanned = opened
    yield Progress(0, len(slices))
    answers: list[Segmented] = []
    for start in range(0, len(slices), batch_size):
        batch = slices[start : start + batch_size]
        answers += await asyncio.get_running_loop().run_in_executor(executor, predictor.segment_batch, batch)
        yield Progress(len(answers), len(slices))
    yield await asyncio.to_thread(_packed, answers, _is_known(slices, answers), pictures, scanned)


@dataclass(frozen=True)
class _Scan:
    """What is left of a scanned volume once its slices are prepared."""

    place: Place
    spacing_mm: tuple[float, float, float] | None


_Opened = tuple[list[PreparedSlice], dict[str, tuple[bytes, ...]], _Scan]


def _open(predictor: Predictor, sent: Sent, limits: Limits) -> _Opened | Problem:
    """Prepared exactly as a training volume: all slices in one frame, on the scale of the whole volume."""
    channels = predictor.config.contents.channels
    try:
        scanned = read_volume(sent, channels, limits)
        slices = predictor.prepare_slices(scanned.image)
    except GliorayError as error:
        return problem_of(error)
    except Exception:
        # A decoder's own failure, which no list foresees; what a client sent must not look like a fault of ours.
        logging.getLogger(__name__).exception("an upload of %d bytes broke its reader", sent.num_bytes)
        return Problem(400, "The volume cannot be read", "It breaks its reader; save it anew, as NIfTI.")
    return slices, _pictures(scanned, channels), _Scan(scanned.place, scanned.spacing_mm)


def _pictures(scanned: ScannedVolume, channels: tuple[str, ...]) -> dict[str, tuple[bytes, ...]]:
    """All slices of a channel in grey on one scale, or they would flicker when they are leafed through."""
    greys = {name: drawing.grey(scanned.image[:, index]) for index, name in enumerate(channels)}
    return {name: tuple(drawing.png(slice_) for slice_ in grey) for name, grey in greys.items()}


def _is_known(slices: Sequence[PreparedSlice], answers: Sequence[Segmented]) -> bool | None:
    shown = [answer.in_domain for one, answer in zip(slices, answers, strict=True) if one.image.max() > one.image.min()]
    return None if None in shown else 2 * sum(map(bool, shown)) >= max(len(shown), 1)


def _packed(
    answers: Sequence[Segmented], in_domain: bool | None, pictures: dict[str, tuple[bytes, ...]], scan: _Scan
) -> SegmentedVolume:
    mask = np.stack([answer.mask for answer in answers])
    num_slices, height, width = mask.shape
    return SegmentedVolume(
        shape=(num_slices, height, width),
        packed_mask=zlib.compress(mask.tobytes(), FAST),
        pixels={name: tuple(answer.pixels[name] for answer in answers) for name in answers[0].pixels},
        pictures=pictures,
        place=scan.place,
        spacing_mm=scan.spacing_mm,
        in_domain=in_domain,
    )
