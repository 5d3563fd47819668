"""What is audited: each image with its place in the split, and all that can be told of it without a model.

N images, V views (see `data/duplicates.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glioray.data.grouping import ENOUGH_HEAD
from glioray.data.records import Refused

PICTURE_PX = 112
BLACK = 0.05  # of the brightest pixel; a row or column that stays below is margin
MARGINS = ("margin at the top", "margin at the bottom", "margin at the left", "margin at the right")


@dataclass(frozen=True)
class Picture:
    """One image: who it is, and what a model could learn of it without looking at the brain.

    `file_hash` is none where there is no file of its own; `before` are figures of the image as it came, `after` of what
    the preparation made of it. `group` is the one that the preparation put it in, `brain_fraction` how much of the
    picture is head; both are none in a folder of images.
    """

    name: str
    label: str | None
    side: str | None
    patient: str | None
    file_hash: str | None
    pixel_hash: str
    before: dict[str, float]
    after: dict[str, float]
    group: str | None = None
    brain_fraction: float | None = None


@dataclass(frozen=True)
class Pictures:
    """All images of a folder; `draw` reads some of them again."""

    what: str
    rows: Sequence[Picture]
    views: NDArray[np.float32]
    """(V, N, 1024); of volumes one, as it is"""
    refused: tuple[Refused, ...]
    remarks: tuple[str, ...]
    draw: Callable[[Sequence[int]], dict[int, NDArray[np.uint8]]]
    """(h, w) grey of each of the rows asked for"""
    is_volumes: bool = False
    """the rows are slices of volumes"""
    as_prepared: str | None = None
    """the leak that the preparation found"""

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels there are, sorted."""
        return tuple(sorted({row.label for row in self.rows if row.label is not None}))

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides there are: train, val and test first."""
        found = {row.side for row in self.rows if row.side is not None}
        return tuple(sorted(found, key=lambda side: ({"train": 0, "val": 1, "test": 2}.get(side, 3), side)))

    @property
    def tested(self) -> str | None:
        """The side that scores are made on, where another one is learned from."""
        if "train" not in self.sides:
            return None
        return next((side for side in ("test", "val") if side in self.sides), None)

    @property
    def compared(self) -> NDArray[np.bool_]:
        """(N,) rows that copies are looked for in: slices that show little of the head are alike in all patients."""
        enough = [row.brain_fraction is None or row.brain_fraction >= ENOUGH_HEAD for row in self.rows]
        return np.array(enough) | (not self.is_volumes)

    def column(self, name: str) -> NDArray[Any]:
        """(N,) of one field, none as an empty text."""
        return np.array([getattr(row, name) or "" for row in self.rows], dtype=object)

    @property
    def owners(self) -> NDArray[np.int64] | None:
        """(N,) number of each row's patient, -1 where none is named; none where no row names one."""
        names = sorted({row.patient for row in self.rows if row.patient is not None})
        number = {name: index for index, name in enumerate(names)}
        return np.array([number.get(row.patient or "", -1) for row in self.rows]) if names else None


def margins(image: NDArray[Any]) -> dict[str, float]:
    """How much of (H, W) is black at each side, as a share of its height or width."""
    lit: NDArray[np.bool_] = image > BLACK * float(image.max())
    lines: tuple[NDArray[np.bool_], ...] = (np.any(lit, axis=1), np.any(lit, axis=0))
    shares = []
    for line in lines:
        places = np.flatnonzero(line)
        first, last = (int(places[0]), int(places[-1])) if places.size else (len(line), -1)
        shares += [first / len(line), (len(line) - 1 - last) / len(line)]
    return dict(zip(MARGINS, shares, strict=True))


def pixel_hash(image: NDArray[np.uint8]) -> str:
    """SHA-256 of the shape and the pixels."""
    return hashlib.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) scaled to fit `PICTURE_PX`."""
    height, width = image.shape
    scale = PICTURE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
