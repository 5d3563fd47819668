"""Rows to groups, and groups to the parts of a split: where honesty is decided."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioray.data.duplicates import find_copies, find_copies_in_views, group_ids
from glioray.data.given_split import GivenSplit
from glioray.data.manifest import Duplicates, Leak, Settings
from glioray.data.progress import OnCount
from glioray.data.records import Contents
from glioray.data.split import split_by_group, split_to_folds
from glioray.data.staging import Row
from glioray.errors import DataError

NESTED_SHARE = 0.25  # of the slices of the smaller of two volumes that copy the other's: then they are one group
ENOUGH_HEAD = 0.1  # of the picture; slices that show less are alike in all patients
VOLUME_BINS = 4


@dataclass(frozen=True)
class Grouping:
    """The group and the part of each row, and what was found on the way."""

    groups: list[str]
    parts: list[str]
    duplicates: Duplicates | None
    leak: Leak | None


def group_rows(
    rows: Sequence[Row],
    views: NDArray[np.float32],
    settings: Settings,
    contents: Contents,
    given: GivenSplit | None = None,
    on_progress: OnCount | None = None,
) -> Grouping:
    """Groups by patient and by copies, and splits.

    Args:
        rows: what was read.
        views: thumbnails of the rows, (V, N, 1024), as `PortionReader` makes them: copies in any are copies.
        settings: of the split.
        contents: classification is stratified by class, segmentation by tumor volume.
        given: a split to follow instead of drawing one.
        on_progress: called with (done, total).

    Raises:
        DataError: no published split, or too few groups.
        LeakError: a given split parts a group.
    """
    groups, nested, copies = _groups(rows, views, on_progress)
    is_unnamed = any(row.patient_id is None for row in rows)
    conflicts = _conflicts(rows, groups) if contents.task == "classification" and is_unnamed else {}
    if settings.split == "published":
        parts = _published(rows, groups, settings, tuple(conflicts))
    elif given is not None:
        parts = given.parts_of(rows, groups, nested)
    else:
        part_of = _split(rows, groups, settings, tuple(conflicts))
        parts = [part_of[group] for group in groups]
    duplicates = _duplicates(groups, parts, copies[_tell(rows)[copies].all(axis=1)], conflicts, nested)
    if settings.split == "published":
        qualified = [f"{group}@{part}" for group, part in zip(groups, parts, strict=True)]
        return Grouping(qualified, parts, duplicates, _leak(groups, parts))
    return Grouping(groups, parts, duplicates if is_unnamed or nested or duplicates.alike else None, None)


def is_nested(
    owners: NDArray[np.int64], totals: NDArray[np.int64], pairs: NDArray[np.int64], share: float = NESTED_SHARE
) -> NDArray[np.bool_]:
    """(P,) whether the two patients of a pair belong together: that share of the slices of one copies the other's.

    Args:
        owners: (N,) the patient of each row.
        totals: how many rows each patient has that count.
        pairs: (P, 2) of rows of named patients that are copies, at least one.
        share: of the slices.
    """
    ordered = np.where((owners[pairs[:, 0]] > owners[pairs[:, 1]])[:, None], pairs[:, ::-1], pairs)
    patients, place = np.unique(owners[ordered], axis=0, return_inverse=True)
    place = place.reshape(-1)
    nested = np.zeros(len(patients), dtype=np.bool_)
    for column in (0, 1):
        slices = np.unique(np.stack([place, ordered[:, column]], axis=1), axis=0)
        nested |= np.bincount(slices[:, 0], minlength=len(patients)) >= share * totals[patients[:, column]]
    chosen: NDArray[np.bool_] = nested[place]
    return chosen


def _groups(
    rows: Sequence[Row], views: NDArray[np.float32], on_progress: OnCount | None
) -> tuple[list[str], tuple[tuple[str, str], ...], NDArray[np.int64]]:
    """The group of each row, the pairs of patients that were joined, and the pairs of rows that are copies."""
    names = sorted({row.patient_id for row in rows if row.patient_id is not None})
    number = {name: index for index, name in enumerate(names)}
    owners = np.array([-1 if row.patient_id is None else number[row.patient_id] for row in rows], dtype=np.int64)
    copies = _copies(rows, views, owners, on_progress)
    are_named = (owners[copies] >= 0).all(axis=1)
    nested = _nested(rows, owners, copies[are_named])
    edges = [copies[~are_named], _own_edges(owners), _joining_edges(owners, nested)]
    groups = group_ids(len(rows), np.concatenate(edges))
    pairs = tuple((names[one], names[other]) for one, other in nested)
    return _named(rows, groups), pairs, copies


def _copies(
    rows: Sequence[Row],
    views: NDArray[np.float32],
    owners: NDArray[np.int64],
    on_progress: OnCount | None,
) -> NDArray[np.int64]:
    """(P, 2) among single images in all views; slices of volumes are compared in the one that there is."""
    if rows[0].label is not None:
        return find_copies_in_views(views, on_progress, owners)
    return find_copies(views[0], owners=owners, on_progress=on_progress)


def _nested(rows: Sequence[Row], owners: NDArray[np.int64], copies: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of patients that share an image; of volumes, of whom the smaller one has enough slices that copy."""
    tells = _tell(rows)
    pairs = copies[tells[copies].all(axis=1)]
    if not len(pairs):
        return []
    totals = np.bincount(owners[tells & (owners >= 0)])
    chosen = pairs[is_nested(owners, totals, pairs, NESTED_SHARE if rows[0].label is None else 0)]
    return [(one, other) for one, other in np.unique(np.sort(owners[chosen], axis=1), axis=0).tolist()]


def _tell(rows: Sequence[Row]) -> NDArray[np.bool_]:
    """(N,) whether a row's likeness says anything: slices of volumes that show hardly any head are alike in all."""
    return np.array([row.label is not None or row.brain_fraction >= ENOUGH_HEAD for row in rows])


def _own_edges(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Joins the rows of each patient, each with the next one."""
    order = np.argsort(owners, kind="stable")
    order = order[owners[order] >= 0]
    pairs: NDArray[np.int64] = np.stack([order[:-1], order[1:]], axis=1)
    is_one: NDArray[np.bool_] = owners[pairs[:, 0]] == owners[pairs[:, 1]]
    own: NDArray[np.int64] = pairs[is_one]
    return own


def _joining_edges(owners: NDArray[np.int64], nested: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Joins two patients by a row of each."""
    first = {int(owner): index for index, owner in reversed(list(enumerate(owners)))}
    return np.array([(first[one], first[other]) for one, other in nested], dtype=np.int64).reshape(-1, 2)


def _named(rows: Sequence[Row], groups: Sequence[str]) -> list[str]:
    """A group is named after its patients, or else after its first file: names that stay when others come and go."""
    patients: dict[str, set[str]] = defaultdict(set)
    first: dict[str, str] = {}
    for row, group in zip(rows, groups, strict=True):
        first.setdefault(group, row.source)
        if row.patient_id is not None:
            patients[group].add(row.patient_id)
    return ["+".join(sorted(patients[group])) if patients[group] else first[group] for group in groups]


def _duplicates(
    groups: Sequence[str],
    parts: Sequence[str],
    copies: NDArray[np.int64],
    conflicts: Mapping[str, tuple[str, ...]],
    nested: tuple[tuple[str, str], ...],
) -> Duplicates:
    sizes = Counter(groups)
    places = np.array(parts)
    across = copies[places[copies[:, 0]] != places[copies[:, 1]]]
    return Duplicates(
        groups=len(sizes),
        images_with_a_copy=len(np.unique(copies)),
        largest_group=max(sizes.values()),
        conflicts=tuple(conflicts.values()),
        nested=nested,
        alike=len(np.unique(across)),
    )


def _conflicts(rows: Sequence[Row], groups: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Files of each group, not all of named patients, whose images carry more than one label."""
    members: dict[str, list[Row]] = defaultdict(list)
    for row, group in zip(rows, groups, strict=True):
        members[group].append(row)
    return {
        group: tuple(sorted(row.source for row in found))
        for group, found in sorted(members.items())
        if len({row.label for row in found}) > 1 and any(row.patient_id is None for row in found)
    }


def _split(rows: Sequence[Row], groups: Sequence[str], settings: Settings, train_only: Sequence[str]) -> dict[str, str]:
    strata, sizes = _strata(rows, groups)
    if settings.folds is not None:
        return split_to_folds(strata, sizes, settings.folds, settings.seed, train_only)
    return split_by_group(strata, sizes, settings.val_fraction, settings.test_fraction, settings.seed, train_only)


def _strata(rows: Sequence[Row], groups: Sequence[str]) -> tuple[dict[str, int], Mapping[str, int]]:
    """Stratum and size of each group: by class and images, or by tumor volume and one a group.

    A group's class is that of most of its rows.
    """
    if rows[0].label is None:
        return _volume_bins(rows, groups), dict.fromkeys(groups, 1)
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for row, group in zip(rows, groups, strict=True):
        votes[group][row.label or 0] += 1
    strata = {group: min(found, key=lambda label: (-found[label], label)) for group, found in votes.items()}
    return strata, Counter(groups)


def _volume_bins(rows: Sequence[Row], groups: Sequence[str]) -> dict[str, int]:
    """Groups in bins of equal number, by the labeled volume: in ml, or in pixels where spacing is not known."""
    volume: dict[str, float] = defaultdict(float)
    for row, group in zip(rows, groups, strict=True):
        voxel = float(np.prod(row.spacing_mm)) if row.spacing_mm else 1.0
        volume[group] += voxel * sum(row.label_pixels)
    ranked = sorted(volume, key=lambda group: (round(volume[group], 3), group))
    return {group: rank * VOLUME_BINS // len(ranked) for rank, group in enumerate(ranked)}


def _published(rows: Sequence[Row], groups: Sequence[str], settings: Settings, train_only: Sequence[str]) -> list[str]:
    """The data set's own sides; where it has no val side, groups of its training side are taken for one."""
    sides = {row.published_side for row in rows}
    if not {"train", "test"} <= sides or None in sides:
        raise DataError("these data have no published split with a training and a test side; ask for split 'group'")
    if "val" in sides:
        return [str(row.published_side) for row in rows]
    training = [i for i, row in enumerate(rows) if row.published_side == "train"]
    there = [groups[i] for i in training]
    strata, sizes = _strata([rows[i] for i in training], there)
    conflicts = [group for group in train_only if group in set(there)]
    side_of = split_by_group(strata, sizes, settings.val_fraction, 0.0, settings.seed, conflicts)
    return ["test" if row.published_side == "test" else side_of[g] for row, g in zip(rows, groups, strict=True)]


def _leak(groups: Sequence[str], parts: Sequence[str]) -> Leak:
    training = {group for group, part in zip(groups, parts, strict=True) if part != "test"}
    tested = [group for group, part in zip(groups, parts, strict=True) if part == "test"]
    return Leak(test_images=len(tested), with_copy_in_training=sum(group in training for group in tested))
