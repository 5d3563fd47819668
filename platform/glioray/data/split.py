"""Which side every group stands on. A group is never on two."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glioray.data.records import SIDES, Side
from glioray.errors import DataError, LeakError

SplitKind = Literal["group", "published"]
FILE_NAME = "split.json"
FEWEST_GROUPS = 3


class Split(BaseModel):
    """Group to side. As a mapping it cannot hold a group twice; `of_rows` proves it of rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: SplitKind
    seed: int
    groups: dict[str, Side] = Field(description="side of each group, sorted by group")
    patients: tuple[str, ...] = Field((), description="sorted; empty where the data name no patient")

    @classmethod
    def of_rows(
        cls,
        rows: Iterable[tuple[str, Side]],
        kind: SplitKind,
        seed: int,
        patients: Iterable[str] = (),
        where: str = "the split",
    ) -> Split:
        """Of the (group, side) of every row.

        Raises:
            LeakError: a group has rows on two sides; `where` names the file to delete.
        """
        counts: dict[str, Counter[Side]] = defaultdict(Counter)
        for group, side in rows:
            counts[group][side] += 1
        for group in sorted(counts):
            if len(counts[group]) > 1:
                raise LeakError(_leak_text(group, counts[group], where))
        groups = {group: next(iter(counts[group])) for group in sorted(counts)}
        return cls(kind=kind, seed=seed, groups=groups, patients=tuple(sorted(set(patients))))

    def on(self, side: Side) -> tuple[str, ...]:
        """The groups of a side, sorted."""
        return tuple(group for group, its_side in self.groups.items() if its_side == side)

    def save(self, folder: Path) -> None:
        """Writes `split.json`; the folder is still the temporary one of its writer."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Split:
        """Reads `split.json`.

        Raises:
            DataError: there is none, or it is not a split.
        """
        path = folder / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
            raise DataError(f"{path}: not a split of glioray ({reason}). Prepare the folder again.") from None


def split_by_group(
    groups: Sequence[str],
    labels: Sequence[int | None],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    train_only: Collection[str] = (),
) -> dict[str, Side]:
    """A side for every group, each class spread over the sides by its number of rows.

    Where there are no classes every group weighs the same: scores are then by patient. A class with fewer
    than three groups is spread together with the other small ones; a group's class is that of most of its
    rows.

    Args:
        groups: the group of each row.
        labels: the class of each row; none where there are no classes.
        val_fraction: part of the rows that is aimed at for val.
        test_fraction: part of the rows that is aimed at for test; 0 makes no test side.
        seed: of the order in which groups are drawn.
        train_only: groups that must not be scored on, such as copies with two labels.

    Raises:
        DataError: too few groups to have one on each side.
    """
    sizes = Counter(groups if any(label is not None for label in labels) else set(groups))
    free = sorted(set(groups) - set(train_only))
    needed = FEWEST_GROUPS if test_fraction > 0 else FEWEST_GROUPS - 1
    if len(free) < needed:
        raise DataError(
            f"a split needs at least {needed} groups (patients, or images with no copy), there are "
            f"{len(free)}: {free!r}. Add patients."
        )
    sides: dict[str, Side] = dict.fromkeys(sorted(train_only), "train")
    generator = np.random.default_rng(seed)
    for stratum in _strata(free, groups, labels, needed):
        drawn = [stratum[i] for i in generator.permutation(len(stratum))]
        sides |= _deal(drawn, sizes, val_fraction, test_fraction, needed)
    return dict(sorted(sides.items()))


def _leak_text(group: str, counts: Counter[Side], where: str) -> str:
    first, *others = [f"in {side} ({counts[side]} slices)" for side in SIDES if counts[side]]
    return (
        f"group {group!r} is {first} and {' and '.join(others)}. "
        f"A split is by group: delete {where} and run `glioray prepare` again."
    )


def _strata(free: Sequence[str], groups: Sequence[str], labels: Sequence[int | None], needed: int) -> list[list[str]]:
    """Groups of a class together; classes with too few of them in one stratum at the end."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        votes[group][-1 if label is None else label] += 1
    by_class: dict[int, list[str]] = defaultdict(list)
    for group in free:
        by_class[min(votes[group], key=lambda label: (-votes[group][label], label))].append(group)
    large = [by_class[label] for label in sorted(by_class) if len(by_class[label]) >= needed]
    small = [group for label in sorted(by_class) if len(by_class[label]) < needed for group in by_class[label]]
    return [*large, sorted(small)] if small else large


def _deal(
    drawn: Sequence[str], sizes: Counter[str], val_fraction: float, test_fraction: float, needed: int
) -> dict[str, Side]:
    """First fit: test takes drawn groups up to its part of the rows, then val, then train the rest."""
    if len(drawn) < needed:
        return dict.fromkeys(drawn, "train")
    rows = sum(sizes[group] for group in drawn)
    left = list(drawn)
    sides: dict[str, Side] = {}
    wanted: list[tuple[Side, float]] = [("test", test_fraction), ("val", val_fraction)]
    for reserved, (side, fraction) in zip((2, 1), wanted, strict=True):
        if fraction > 0:
            taken = _take(left, sizes, fraction * rows, most=len(left) - reserved)
            sides |= dict.fromkeys(taken, side)
            left = [group for group in left if group not in sides]
    return sides | dict.fromkeys(left, "train")


def _take(left: Sequence[str], sizes: Counter[str], target: float, most: int) -> list[str]:
    """Groups in their order as long as they fit, so many at most; at least the smallest one."""
    taken: list[str] = []
    total = 0
    for group in left:
        if len(taken) < most and total + sizes[group] <= target + 0.5:
            taken.append(group)
            total += sizes[group]
    return taken or [min(left, key=lambda group: sizes[group])]
