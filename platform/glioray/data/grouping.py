"""Rows to groups, and groups to sides: where honesty is decided."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.duplicates import find_copies, group_ids
from glioray.data.manifest import Duplicates, Leak
from glioray.data.reading import Row
from glioray.data.records import Side
from glioray.data.split import SplitKind, split_by_group
from glioray.errors import DataError


@dataclass(frozen=True)
class Grouping:
    """The group and the side of each row, and what was found on the way."""

    groups: list[str]
    sides: list[Side]
    duplicates: Duplicates | None
    leak: Leak | None


def group_rows(
    rows: Sequence[Row],
    thumbnails: Sequence[NDArray[np.float32]],
    kind: SplitKind,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    on_progress: Callable[[int, int], None] | None = None,
) -> Grouping:
    """Groups by patient, or by near-copies where no patient is named, and splits.

    Args:
        rows: what was read.
        thumbnails: views of the rows, each (N, 1024): copies in any of them are copies. Empty with patients.
        kind: `group`, or `published` for the data set's own sides, val taken from its training side.
        seed: of the split.
        val_fraction: part of the rows for val; with `published`, of the training side's rows.
        test_fraction: part of the rows for test; not used with `published`.
        on_progress: called with (done, total).

    Raises:
        DataError: some rows name a patient and some do not; no published split; too few groups.
    """
    groups, duplicates = _groups(rows, thumbnails, on_progress)
    conflicts = _conflicts(rows, groups) if duplicates is not None else {}
    if duplicates is not None:
        duplicates = duplicates.model_copy(update={"conflicts": tuple(conflicts.values())})
    labels = [row.label for row in rows]
    if kind == "published":
        sides = _published(rows, groups, labels, val_fraction, seed, tuple(conflicts))
        qualified = [f"{group}@{side}" for group, side in zip(groups, sides, strict=True)]
        return Grouping(qualified, sides, duplicates, _leak(groups, sides))
    by_group = split_by_group(groups, labels, val_fraction, test_fraction, seed, tuple(conflicts))
    return Grouping(groups, [by_group[group] for group in groups], duplicates, None)


def _groups(
    rows: Sequence[Row],
    thumbnails: Sequence[NDArray[np.float32]],
    on_progress: Callable[[int, int], None] | None,
) -> tuple[list[str], Duplicates | None]:
    named = [row.patient_id for row in rows if row.patient_id is not None]
    if len(named) == len(rows):
        return named, None
    if named:
        raise DataError(f"{len(named)} of {len(rows)} images name their patient, the others do not.")
    pairs = np.concatenate([find_copies(view, on_progress=on_progress) for view in thumbnails])
    groups = group_ids(len(rows), pairs)
    sizes = Counter(groups)
    copied = sum(size for size in sizes.values() if size > 1)
    return groups, Duplicates(
        groups=len(sizes), images_with_a_copy=copied, largest_group=max(sizes.values()), conflicts=()
    )


def _conflicts(rows: Sequence[Row], groups: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Files of each group whose images carry more than one label."""
    members: dict[str, list[Row]] = defaultdict(list)
    for row, group in zip(rows, groups, strict=True):
        members[group].append(row)
    return {
        group: tuple(sorted(row.source for row in members[group]))
        for group in sorted(members)
        if len({row.label for row in members[group]}) > 1
    }


def _published(
    rows: Sequence[Row],
    groups: Sequence[str],
    labels: Sequence[int | None],
    val_fraction: float,
    seed: int,
    train_only: Sequence[str],
) -> list[Side]:
    sides = {row.published_side for row in rows}
    if not {"train", "test"} <= sides or None in sides:
        raise DataError("these data have no published split with a training and a test side; ask for split 'group'")
    training = [i for i, row in enumerate(rows) if row.published_side != "test"]
    there = {groups[i] for i in training}
    by_group = split_by_group(
        [groups[i] for i in training],
        [labels[i] for i in training],
        val_fraction,
        0.0,
        seed,
        [group for group in train_only if group in there],
    )
    return ["test" if row.published_side == "test" else by_group[g] for row, g in zip(rows, groups, strict=True)]


def _leak(groups: Sequence[str], sides: Sequence[Side]) -> Leak:
    training = {group for group, side in zip(groups, sides, strict=True) if side != "test"}
    tested = [group for group, side in zip(groups, sides, strict=True) if side == "test"]
    return Leak(test_images=len(tested), with_copy_in_training=sum(group in training for group in tested))
