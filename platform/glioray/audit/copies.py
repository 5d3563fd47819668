"""Which images are copies of which, of what kind, and what stands on both sides of a split.

N images, V views, P pairs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.audit.pictures import OnProgress, Pictures
from glioray.audit.result import Copies, Kind, Member, Pair
from glioray.data.duplicates import SYMMETRIES, THRESHOLD, correlations, find_copies_in_views, group_ids

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
    groups: tuple[str, ...]
    """of each image"""
    shown: tuple[tuple[int, str], ...]
    """pairs to look at, and why each was chosen"""


def find(pictures: Pictures, seed: int, tell: OnProgress) -> Found:
    """All copies; with named patients only those between different patients."""
    pairs = find_copies_in_views(
        pictures.views, lambda done, total: tell("compare", done, total), owners=pictures.owners
    )
    blocks = [_kinds(pictures, pairs[start : start + BLOCK]) for start in range(0, max(1, len(pairs)), BLOCK)]
    kinds, symmetries, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    groups = tuple(group_ids(len(pictures.rows), pairs))
    return Found(pairs, kinds, symmetries, values, groups, _chosen(kinds, values, seed))


def summarize(pictures: Pictures, found: Found) -> Copies:
    """The counts, the contradictions, and the pairs that are shown."""
    sizes = Counter(found.groups)
    tested = pictures.tested
    is_tested = pictures.column("side") == tested if tested else None
    return Copies(
        groups=len(sizes),
        images_with_a_copy=sum(size for size in sizes.values() if size > 1),
        largest_group=max(sizes.values()),
        sides=len(pictures.sides),
        tested=tested,
        tested_images=0 if is_tested is None else int(is_tested.sum()),
        tested_with_copy=None if is_tested is None else _by_group(found.groups, is_tested),
        kinds=tuple(_count(pictures, found, kind, is_tested) for kind in range(len(KINDS))),
        conflicts=tuple(tuple(_member(pictures, row) for row in rows) for rows in conflicting(pictures, found)),
        shown=tuple(_pair(pictures, found, index, why) for index, why in found.shown),
    )


def conflicting(pictures: Pictures, found: Found) -> list[list[int]]:
    """Rows of each group of copies that carries more than one label."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(found.groups):
        members[group].append(row)
    return [rows for rows in members.values() if len({pictures.rows[row].label for row in rows} - {None}) > 1]


def _kinds(
    pictures: Pictures, pairs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Kind, symmetry and correlation of each pair: the plainest kind that it is of."""
    values_of_views = [correlations(view, pairs) for view in pictures.views]
    half = len(values_of_views) // 2
    ranked, linear = np.max(values_of_views[:half], axis=0), np.max(values_of_views[half:], axis=0)
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


def _count(pictures: Pictures, found: Found, kind: int, is_tested: NDArray[np.bool_] | None) -> Kind:
    pairs = found.pairs[found.kinds == kind]
    side, label = pictures.column("side"), pictures.column("label")
    return Kind(
        name=KINDS[kind],
        pairs=len(pairs),
        images=len(np.unique(pairs)),
        across_sides=int((side[pairs[:, 0]] != side[pairs[:, 1]]).sum()),
        across_classes=int((label[pairs[:, 0]] != label[pairs[:, 1]]).sum()),
        tested_with_copy=None if is_tested is None else _copied(found.pairs[found.kinds <= kind], is_tested),
    )


def _copied(pairs: NDArray[np.int64], is_tested: NDArray[np.bool_]) -> int:
    """Images of the tested side that are in a pair with one of another side."""
    crossing = pairs[is_tested[pairs[:, 0]] != is_tested[pairs[:, 1]]]
    return len(np.unique(crossing[is_tested[crossing]]))


def _by_group(groups: Sequence[str], is_tested: NDArray[np.bool_]) -> int:
    elsewhere = {group for group, tested in zip(groups, is_tested, strict=True) if not tested}
    return sum(group in elsewhere for group, tested in zip(groups, is_tested, strict=True) if tested)


def _pair(pictures: Pictures, found: Found, index: int, why: str) -> Pair:
    first, second = found.pairs[index].tolist()
    return Pair(
        kind=KINDS[found.kinds[index]],
        symmetry=SYMMETRIES[found.symmetries[index]],
        correlation=round(float(found.correlations[index]), 4),
        chosen=why,
        first=_member(pictures, first),
        second=_member(pictures, second),
    )


def _member(pictures: Pictures, row: int) -> Member:
    picture = pictures.rows[row]
    return Member(name=picture.name, label=picture.label, side=picture.side, patient=picture.patient)
