"""Near-copies among images, mirrored and turned ones included, and the groups they form.

A copy is a correlation of 32 x 32 thumbnails of at least 0.995 with the other image, or with its
left-right, up-down or 180 degree mirror. Average hashes are useless here: any two heads on black look equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csgraph

THUMBNAIL_PX = 32
THRESHOLD = 0.995
CHUNK = 1024
SLACK = 1e-3  # candidates below the threshold that are measured again, since a matrix product rounds
# Sign of each symmetric part (rows even or odd, columns even or odd) under identity, LR, UD and 180.
SIGNS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))


def thumbnails(images: NDArray[Any]) -> NDArray[np.float32]:
    """(N, 1024) unit vectors of mean 0 from (N, H, W); a picture without contrast gives zeros."""
    pixels = torch.from_numpy(np.array(images, dtype=np.float32))[:, None]
    small = torch.nn.functional.interpolate(pixels, size=THUMBNAIL_PX, mode="bilinear", antialias=True)
    flat = small.flatten(1).numpy().astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.sqrt((flat**2).sum(axis=1, keepdims=True))
    unit: NDArray[np.float32] = np.where(norm > 1e-3, flat / np.maximum(norm, 1e-9), 0).astype(np.float32)
    return unit


def find_copies(
    thumbs: NDArray[np.float32],
    threshold: float = THRESHOLD,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.int64]:
    """(P, 2) pairs i < j that are copies, sorted.

    The thumbnails are taken apart into their four mirror-symmetric parts, once: then the correlations with
    all four mirrors are sums and differences of four small products, a quarter of the work.
    """
    parts = _symmetric_parts(thumbs)
    starts = range(0, len(thumbs), CHUNK)
    found = []
    for done, start in enumerate(starts):
        for other in range(start, len(thumbs), CHUNK):
            found.append(_candidates(parts, start, other, threshold - SLACK))
        if on_progress is not None:
            on_progress(done + 1, len(starts))
    pairs = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    kept = pairs[_correlations(thumbs, pairs) >= threshold]
    return kept[np.lexsort((kept[:, 1], kept[:, 0]))]


def group_ids(count: int, pairs: NDArray[np.int64]) -> list[str]:
    """The group of each image: all that are joined by copies, named by the first of them."""
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = csgraph.connected_components(graph, directed=False)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return [f"g{first[i]:05d}" for i in inverse]


def _symmetric_parts(thumbs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Four times (N, 256): even and odd under up-down, even and odd under left-right."""
    half = THUMBNAIL_PX // 2
    image = thumbs.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
    top, bottom = image[:, :half], image[:, : half - 1 : -1]
    parts = []
    for rows in (top + bottom, top - bottom):
        left, right = rows[:, :, :half], rows[:, :, : half - 1 : -1]
        parts += [left + right, left - right]
    return [np.ascontiguousarray(part.reshape(len(thumbs), -1) / 2) for part in parts]


def _candidates(parts: list[NDArray[np.float32]], start: int, other: int, least: float) -> NDArray[np.int64]:
    products = [part[start : start + CHUNK] @ part[other : other + CHUNK].T for part in parts]
    near = np.zeros(products[0].shape, dtype=np.bool_)
    for signs in SIGNS:
        total = sum(sign * product for sign, product in zip(signs, products, strict=True))
        near |= total >= least
    rows, columns = np.nonzero(near)
    pairs = np.stack([rows + start, columns + other], axis=1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def _correlations(thumbs: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """(P,) the best of the four mirrors, summed in a fixed order so that every machine agrees."""
    best = np.full(len(pairs), -1.0)
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        left = thumbs[chunk[:, 0]].astype(np.float64)
        right = thumbs[chunk[:, 1]].astype(np.float64).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
        for flip in (right, right[:, :, ::-1], right[:, ::-1], right[:, ::-1, ::-1]):
            value = (left * flip.reshape(len(chunk), -1)).sum(axis=1)
            best[start : start + CHUNK] = np.maximum(best[start : start + CHUNK], value)
    return np.round(best, 6)
