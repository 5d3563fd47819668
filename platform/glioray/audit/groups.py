"""What must not be parted: images joined by their patient, by the preparation's own groups, and by copies.

N images, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.audit.pictures import Pictures
from glioray.data.duplicates import group_ids
from glioray.data.grouping import is_nested


@dataclass(frozen=True)
class Groups:
    """The group of each image."""

    whole: tuple[str, ...]
    """by patient and by copies: what a split must keep together"""
    copies: tuple[str, ...]
    """by copies alone"""
    is_joining: NDArray[np.bool_]
    """(P,) whether a pair joins its groups: a single slice of a patient that looks like another's does not"""


def group(pictures: Pictures, pairs: NDArray[np.int64]) -> Groups:
    """Joins the images, as `prepare` does it; what it has joined itself stays so, since it saw the raw pictures."""
    rows = pictures.rows
    is_joining = _is_joining(pictures, pairs)
    patients = _chain(row.patient for row in rows)
    prepared = _chain(row.group for row in rows)
    unnamed = _chain(None if row.patient else row.group for row in rows)  # their groups are copies and nothing else
    return Groups(
        whole=tuple(group_ids(len(rows), np.concatenate([pairs[is_joining], patients, prepared]))),
        copies=tuple(group_ids(len(rows), np.concatenate([pairs, unnamed]))),
        is_joining=is_joining,
    )


def _is_joining(pictures: Pictures, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(P,) all among single images; of volumes those of two patients of whom the smaller has enough such slices."""
    owners = pictures.owners
    joining = np.ones(len(pairs), dtype=np.bool_)
    if not pictures.is_volumes or owners is None:
        return joining
    named = np.flatnonzero((owners[pairs] >= 0).all(axis=1))
    if len(named):
        joining[named] = is_nested(owners, np.bincount(owners[pictures.compared & (owners >= 0)]), pairs[named])
    return joining


def _chain(names: Iterable[str | None]) -> NDArray[np.int64]:
    """(E, 2) joins the rows of one name, each with the next."""
    last: dict[str, int] = {}
    edges = []
    for row, name in enumerate(names):
        if name is not None:
            edges += [(last[name], row)] if name in last else []
            last[name] = row
    return np.array(edges, dtype=np.int64).reshape(-1, 2)
