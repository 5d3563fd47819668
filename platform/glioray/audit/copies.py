"""Which images are copies of which, of what kind, and which of them are worth a look.

N images, V views, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.audit.groups import Groups, group
from glioray.audit.pictures import Pictures
from glioray.data.duplicates import THRESHOLD, correlations, find_copies, find_copies_in_views
from glioray.data.progress import OnProgress

KINDS = ("identical file", "identical pixels", "near-copy", "mirrored", "turned", "contrast changed")
FILE, PIXELS, NEAR, MIRRORED, TURNED, CONTRAST = range(len(KINDS))
MIRRORS, TURNS = slice(1, 4), slice(4, 8)  # places in SYMMETRIES
STRONGEST, WEAKEST, RANDOM = 2, 4, 6  # pairs shown of each kind
BLOCK = 65_536


@dataclass(frozen=True)
class Found:
    """Every pair with its kind, the symmetry that brings one onto the other, and their correlation then."""

    pairs: NDArray[np.int64]
    kinds: NDArray[np.int64]
    symmetries: NDArray[np.int64]
    correlations: NDArray[np.float64]
    groups: Groups
    shown: tuple[tuple[int, str], ...]
    """pairs to look at, and why each was chosen"""


def find(pictures: Pictures, seed: int, tell: OnProgress) -> Found:
    """All copies; with named patients only those between different patients."""
    pairs = _pairs(pictures, tell)
    blocks = [_kinds(pictures, pairs[start : start + BLOCK]) for start in range(0, max(1, len(pairs)), BLOCK)]
    kinds, symmetries, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return Found(pairs, kinds, symmetries, values, group(pictures, pairs), _chosen(kinds, values, seed))


def _pairs(pictures: Pictures, tell: OnProgress) -> NDArray[np.int64]:
    """(P, 2) as `prepare` looks for them: single images in all views, slices of volumes in the one that there is."""

    def show(done: int, total: int) -> None:
        tell("compare", done, total)

    owners = pictures.owners
    if not pictures.is_volumes:
        return find_copies_in_views(pictures.views, show, owners)
    compared = np.flatnonzero(pictures.compared)
    if not len(compared):
        return np.empty((0, 2), dtype=np.int64)
    mine = None if owners is None else owners[compared]
    pairs: NDArray[np.int64] = compared[find_copies(pictures.views[0][compared], owners=mine, on_progress=show)]
    return pairs


def _kinds(
    pictures: Pictures, pairs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Kind, symmetry and correlation of each pair: the plainest kind that it is of."""
    values_of_views = [correlations(view, pairs) for view in pictures.views]
    half = len(values_of_views) // 2  # a single view is not a ranked one
    ranked, linear = np.max(values_of_views[:half] or values_of_views, axis=0), np.max(values_of_views[half:], axis=0)
    symmetries, values = ranked.argmax(axis=1), ranked.max(axis=1)
    kinds = np.full(len(pairs), CONTRAST)
    for kind, places in ((TURNED, TURNS), (MIRRORED, MIRRORS), (NEAR, slice(0, 1))):
        best = linear[:, places].max(axis=1)
        is_kind = best >= THRESHOLD
        kinds[is_kind], values[is_kind] = kind, best[is_kind]
        symmetries[is_kind] = (linear[:, places].argmax(axis=1) + places.start)[is_kind]
    for kind, column in ((PIXELS, "pixel_hash"), (FILE, "file_hash")):
        hashes = pictures.column(column)
        same = (hashes[pairs[:, 0]] == hashes[pairs[:, 1]]) & (hashes[pairs[:, 0]] != "")
        kinds[same], symmetries[same], values[same] = kind, 0, 1.0
    return kinds, symmetries, values


def _chosen(kinds: NDArray[np.int64], values: NDArray[np.float64], seed: int) -> tuple[tuple[int, str], ...]:
    """Of each kind the strongest, the weakest and some others, by number of the pair."""
    generator = np.random.default_rng(seed)
    chosen: list[tuple[int, str]] = []
    for kind in range(len(KINDS)):
        mine = np.flatnonzero(kinds == kind)
        mine = mine[np.argsort(-values[mine], kind="stable")]
        num_strong, num_weak = (0, 0) if kind in (FILE, PIXELS) else (STRONGEST, WEAKEST)  # these are all equal
        strongest, rest = np.split(mine, [num_strong])
        rest, weakest = np.split(rest, [max(0, len(rest) - num_weak)])
        drawn = rest[np.sort(generator.permutation(len(rest))[:RANDOM])]
        for why, some in (("strongest", strongest), ("random", drawn), ("weakest", weakest)):
            chosen += [(int(index), why) for index in some]
    return tuple(chosen)
