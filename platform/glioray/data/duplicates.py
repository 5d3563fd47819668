"""Near-copies among images, mirrored, turned and contrast-changed ones included, and the groups they form.

A copy is a correlation of 32 x 32 thumbnails under one of the eight symmetries of the square. Pictures are compared as
they are (0.995) and with each gray level replaced by its place among all (0.99), where gamma, stretching and
equalization leave hardly a trace; where heads are cropped, both the raw picture and the prepared one. Measured on 28
patients of LGG, 1053 slices: those of different patients reach at most 0.982 raw, 0.987 prepared, and ranked 0.979 and
0.989. Average hashes are useless here: any two heads on black look equal.

N images, P pairs of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_matrix, csgraph

from glioray.data.progress import OnCount

Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]

THUMBNAIL_PX = 32
THRESHOLD = 0.995
RANKED_THRESHOLD = 0.99
SYMMETRIES = (
    "as it is",
    "left-right",
    "up-down",
    "180 degrees",
    "transposed",
    "90 degrees",
    "270 degrees",
    "transposed the other way",
)
RANKED_PX = 128  # gray levels are ranked at this size
BACKGROUND = 0.5  # of the pixels, the darkest, count as one level: else the noise around the head would be stretched
CHUNK = 1024
COARSE = 8  # lowest frequencies along each side, compared first
SLACK = 1e-3  # candidates below the threshold that are measured again, since a matrix product rounds
MOST_PAIRS = 4_000_000  # 64 MB; beyond, only what joins the groups is kept


def thumbnails(images: NDArray[Any]) -> Floats:
    """(N, 1024) unit vectors of mean 0 from (N, H, W); a picture without contrast gives zeros."""
    small = _resized(images, THUMBNAIL_PX)
    flat = small.reshape(len(small), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.sqrt((flat**2).sum(axis=1, keepdims=True))
    unit: Floats = np.where(norm > 1e-3, flat / np.maximum(norm, 1e-9), 0).astype(np.float32)
    return unit


def ranked_thumbnails(images: NDArray[Any]) -> Floats:
    """(N, 1024) from (N, H, W): equal for any two whose gray levels are in the same order."""
    return thumbnails(np.stack([_ranked(image) for image in _resized(images, RANKED_PX)]))


def copy_views(*pictures: NDArray[Any]) -> Floats:
    """(V, N, 1024) for `find_copies_in_views`: first the ranked views, then as many of the pictures as they are.

    Args:
        pictures: (N, H, W) each of the same images: the raw ones, then the prepared ones where these were cropped.
    """
    return np.stack([*map(ranked_thumbnails, pictures), *map(thumbnails, pictures)])


def find_copies_in_views(
    views: Floats, on_progress: OnCount | None = None, owners: NDArray[np.int64] | None = None
) -> Pairs:
    """(P, 2) pairs i < j that are copies in any of the views of `copy_views`, sorted; see `find_copies`."""
    found = []
    for number, view in enumerate(views):
        threshold = RANKED_THRESHOLD if number < len(views) // 2 else THRESHOLD
        found.append(find_copies(view, threshold, _part_of(on_progress, number, len(views)), owners))
    pairs: Pairs = np.unique(np.concatenate(found), axis=0)
    return pairs


def find_copies(
    thumbs: Floats,
    threshold: float = THRESHOLD,
    on_progress: OnCount | None = None,
    owners: NDArray[np.int64] | None = None,
) -> Pairs:
    """(P, 2) pairs i < j that are copies under one of the symmetries, sorted.

    Args:
        thumbs: (N, 1024) of `thumbnails`.
        threshold: least correlation.
        on_progress: called with (done, total).
        owners: (N,) pairs of one owner are left out, unless it is negative: slices of a patient look alike.

    Beyond `MOST_PAIRS` pairs those are dropped that join what others join already: the groups stay the same.
    """
    parts = _coarse_parts(thumbs)
    starts = range(0, len(thumbs), CHUNK)
    found = [np.empty((0, 2), dtype=np.int64)]
    for done, start in enumerate(starts):
        for other in range(start, len(thumbs), CHUNK):
            pairs = _foreign(_candidates(parts, start, other, threshold - SLACK), owners)
            found.append(pairs[correlations(thumbs, pairs).max(axis=1) >= threshold])
        if sum(map(len, found)) > MOST_PAIRS:
            found = [_forest(len(thumbs), np.concatenate(found))]
        if on_progress is not None:
            on_progress(done + 1, len(starts))
    kept = np.concatenate(found)
    return kept[np.lexsort((kept[:, 1], kept[:, 0]))]


def correlations(thumbs: Floats, pairs: Pairs) -> NDArray[np.float64]:
    """(P, 8) under each of `SYMMETRIES`, summed in a fixed order and rounded so that every machine agrees."""
    values = np.empty((len(pairs), len(SYMMETRIES)))
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        left = thumbs[chunk[:, 0]].astype(np.float64)
        right = thumbs[chunk[:, 1]].astype(np.float64).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
        for symmetry in range(len(SYMMETRIES)):
            turned = apply_symmetry(right, symmetry).reshape(len(chunk), -1)
            values[start : start + CHUNK, symmetry] = (left * turned).sum(axis=1)
    rounded: NDArray[np.float64] = np.round(values, 6)
    return rounded


def apply_symmetry(images: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """(..., S, S) as one of `SYMMETRIES` shows it, by its place there."""
    turned = images.swapaxes(-1, -2) if symmetry >= 4 else images
    return turned[..., :: -1 if symmetry & 2 else 1, :: -1 if symmetry & 1 else 1]


def group_ids(count: int, pairs: Pairs) -> list[str]:
    """The group of each image: all that are joined by copies, named by the first of them."""
    _, component = csgraph.connected_components(_graph(count, pairs), directed=False)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return [f"g{first[i]:05d}" for i in inverse]


def _resized(images: NDArray[Any], size_px: int) -> Floats:
    pixels = torch.from_numpy(np.array(images, dtype=np.float32))[:, None]
    small: Floats = torch.nn.functional.interpolate(pixels, size=size_px, mode="bilinear", antialias=True)[:, 0].numpy()
    return small


def _ranked(image: Floats) -> Floats:
    """(H, W) each pixel's place among all, 0 to 255, the background at 0."""
    low, high = min(0.0, float(image.min())), float(image.max())
    levels = np.rint((image - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256)
    places = (np.cumsum(counts) - counts / 2) / levels.size
    by_level = (np.maximum(places - BACKGROUND, 0) * (255.0 / (1 - BACKGROUND))).astype(np.float32)
    ranked: Floats = by_level[levels]
    return ranked


def _part_of(on_progress: OnCount | None, number: int, count: int) -> OnCount | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(number * total + done, count * total)


def _coarse_parts(thumbs: Floats) -> list[Floats]:
    """Low frequencies by their symmetry: even-even, even-odd, odd-even, odd-odd, each (N, 4, 4), and the rest.

    In the cosine basis a mirror is a change of sign of the odd frequencies, and a turn swaps the two directions. The
    rest is the length (N,) of what is not in these parts: no correlation of two rests is above the product of lengths.
    """
    waves = dctn(thumbs.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX), axes=(1, 2), norm="ortho")
    low = np.ascontiguousarray(waves[:, :COARSE, :COARSE])
    total = (thumbs.astype(np.float64) ** 2).sum(axis=1)
    rest = np.sqrt(np.maximum(total - (low.astype(np.float64) ** 2).sum(axis=(1, 2)), 0))
    return [low[:, ::2, ::2], low[:, ::2, 1::2], low[:, 1::2, ::2], low[:, 1::2, 1::2], rest.astype(np.float32)]


def _candidates(parts: list[Floats], start: int, other: int, least: float) -> Pairs:
    """Pairs whose correlation may reach `least` under one of the eight symmetries."""
    even, even_odd, odd_even, odd, rest = (part[start : start + CHUNK] for part in parts)
    its_even, its_even_odd, its_odd_even, its_odd, its_rest = (part[other : other + CHUNK] for part in parts)
    most_of_rest = np.outer(rest, its_rest)
    near = _reaches(
        _product(even, its_even) + most_of_rest,
        _product(odd, its_odd),
        _product(even_odd, its_even_odd),
        _product(odd_even, its_odd_even),
        least,
    )
    near |= _reaches(
        _product(even, its_even.swapaxes(1, 2)) + most_of_rest,
        _product(odd, its_odd.swapaxes(1, 2)),
        _product(even_odd, its_odd_even.swapaxes(1, 2)),
        _product(odd_even, its_even_odd.swapaxes(1, 2)),
        least,
    )
    rows, columns = np.nonzero(near)
    pairs = np.stack([rows + start, columns + other], axis=1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def _product(left: Floats, right: Floats) -> Floats:
    product: Floats = left.reshape(len(left), -1) @ right.reshape(len(right), -1).T
    return product


def _reaches(even: Floats, odd: Floats, even_odd: Floats, odd_even: Floats, least: float) -> NDArray[np.bool_]:
    """Whether the best of four mirrors does; they differ in the signs of the three odd parts, two at a time."""
    best = np.maximum(even + odd + np.abs(even_odd + odd_even), even - odd + np.abs(even_odd - odd_even))
    reached: NDArray[np.bool_] = best >= least
    return reached


def _foreign(pairs: Pairs, owners: NDArray[np.int64] | None) -> Pairs:
    """The pairs that have not one owner."""
    if owners is None:
        return pairs
    first, second = owners[pairs[:, 0]], owners[pairs[:, 1]]
    kept: Pairs = pairs[(first != second) | (first < 0)]
    return kept


def _forest(count: int, pairs: Pairs) -> Pairs:
    """The fewest of the pairs that join the same groups."""
    tree = csgraph.minimum_spanning_tree(_graph(count, pairs)).tocoo()
    return np.stack([tree.row, tree.col], axis=1).astype(np.int64)


def _graph(count: int, pairs: Pairs) -> coo_matrix:
    ones = np.ones(len(pairs), dtype=np.int8)
    return coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count)).tocsr()
