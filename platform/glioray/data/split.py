"""Which part every group stands in: train, val or test, or one of K folds. A group is never in two."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from glioray.data.records import SIDES, Side
from glioray.errors import DataError, LeakError
from glioray.frozen import Frozen
from glioray.plain_values import from_json
from glioray.schema import FIRST, require_version

SplitKind = Literal["group", "published", "file"]
SPLITS = {"group": "split by group", "published": "published split", "file": "given split"}  # as scores name them
FILE_NAME = "split.json"
SCHEMA_VERSION = 1
FEWEST_GROUPS = 3
ALWAYS = "train"  # beside folds: what must never be scored on


class Split(Frozen):
    """Group to part. As a mapping it cannot hold a group twice; `of_rows` proves it of rows."""

    schema_version: int = SCHEMA_VERSION
    kind: SplitKind
    seed: int
    groups: dict[str, str] = Field(description="side or fold of each group, sorted by group")
    patients: tuple[str, ...] = Field((), description="sorted; empty where the data name no patient")

    @classmethod
    def of_rows(
        cls,
        rows: Iterable[tuple[str, str]],
        kind: SplitKind,
        seed: int,
        patients: Iterable[str] = (),
        where: str = "the split",
    ) -> Split:
        """Of the (group, part) of every row.

        Raises:
            LeakError: a group has rows in two parts; `where` names the file to mend.
        """
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for group, part in rows:
            counts[group][part] += 1
        for group in sorted(counts):
            if len(counts[group]) > 1:
                raise LeakError(_leak_text(group, counts[group], where))
        groups = {group: next(iter(counts[group])) for group in sorted(counts)}
        return cls(kind=kind, seed=seed, groups=groups, patients=tuple(sorted(set(patients))))

    def on(self, part: str) -> tuple[str, ...]:
        """The groups of a side or fold, sorted."""
        return tuple(group for group, its_part in self.groups.items() if its_part == part)

    def of_fold(self, fold: int, folds: int) -> Split:
        """With one fold as test, the next one as val, all others as train."""
        sides = sides_of_fold(fold, folds)
        return self.model_copy(update={"groups": {group: sides[part] for group, part in self.groups.items()}})

    def save(self, folder: Path) -> None:
        """Writes `split.json`; the folder is still the temporary one of its writer."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Split:
        """Reads `split.json`.

        Raises:
            DataError: there is none, or it is not a split.
            SchemaError: it was written by another version of glioray.
        """
        path = folder / FILE_NAME
        try:
            written = path.read_bytes()
            remedy = f"prepare the folder again: glioray prepare SOURCE RAW --out {folder}"
            require_version(from_json(written), SCHEMA_VERSION, f"{path}: split", remedy, unnamed=FIRST)
            return cls.model_validate_json(written)
        except (OSError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise DataError(f"{path}: not a split of glioray ({reason}). Prepare the folder again.") from None


def part_names(folds: int | None) -> tuple[str, ...]:
    """The parts that a data set may have, in their order."""
    return SIDES if folds is None else (*(fold_name(fold) for fold in range(folds)), ALWAYS)


def fold_name(fold: int) -> str:
    """Name of a fold as a part."""
    return f"fold-{fold}"


def sides_of_fold(fold: int, folds: int) -> dict[str, Side]:
    """Each part's side when this fold is tested on: the next fold is val, all others are train."""
    sides: dict[str, Side] = dict.fromkeys(part_names(folds), "train")
    return {**sides, fold_name((fold + 1) % folds): "val", fold_name(fold): "test"}


def split_by_group(
    strata: Mapping[str, int],
    sizes: Mapping[str, int],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    train_only: Collection[str] = (),
) -> dict[str, str]:
    """A side for every group, each stratum spread over the sides.

    A stratum with fewer than three groups is spread together with the other small ones.

    Args:
        strata: of each group: its class, or its bin of tumor volume.
        sizes: what each group counts: its images where scores are by image, one where they are by patient.
        val_fraction: part of the sizes that is aimed at for val.
        test_fraction: part that is aimed at for test; 0 makes no test side.
        seed: of the order in which groups are drawn.
        train_only: groups that must not be scored on, such as copies with two labels.

    Raises:
        DataError: too few groups to have one on each side.
    """
    needed = FEWEST_GROUPS if test_fraction > 0 else FEWEST_GROUPS - 1
    free = _free(strata, train_only, needed)
    sides: dict[str, str] = dict.fromkeys(sorted(train_only), "train")
    generator = np.random.default_rng(seed)
    for stratum in _strata(free, strata, needed):
        drawn = [stratum[i] for i in generator.permutation(len(stratum))]
        sides |= _deal(drawn, sizes, val_fraction, test_fraction, needed)
    return dict(sorted(sides.items()))


def split_to_folds(
    strata: Mapping[str, int], sizes: Mapping[str, int], folds: int, seed: int, train_only: Collection[str] = ()
) -> dict[str, str]:
    """A fold for every group, each stratum spread over all folds; arguments as of `split_by_group`.

    Raises:
        DataError: fewer groups than folds.
    """
    free = _free(strata, train_only, folds)
    parts: dict[str, str] = dict.fromkeys(sorted(train_only), ALWAYS)
    generator = np.random.default_rng(seed)
    totals = [0] * folds
    for stratum in _strata(free, strata, folds):
        drawn = [stratum[i] for i in generator.permutation(len(stratum))]
        mine = [0] * folds
        for group in sorted(drawn, key=lambda group: -sizes[group]):
            fold = min(range(folds), key=lambda fold: (mine[fold], totals[fold], fold))
            mine[fold] += sizes[group]
            totals[fold] += sizes[group]
            parts[group] = fold_name(fold)
    return dict(sorted(parts.items()))


def _leak_text(group: str, counts: Counter[str], where: str) -> str:
    first, *others = [f"in {part} ({counts[part]} slices)" for part in sorted(counts, key=_order)]
    return (
        f"group {group!r} is {first} and {' and '.join(others)}. "
        f"A split is by group: mend or delete {where} and run `glioray prepare` again."
    )


def _order(part: str) -> tuple[int, str]:
    return (list(SIDES).index(part), "") if part in SIDES else (len(SIDES), part)  # type: ignore[arg-type]


def _free(strata: Mapping[str, int], train_only: Collection[str], needed: int) -> list[str]:
    free = sorted(set(strata) - set(train_only))
    if len(free) < needed:
        raise DataError(
            f"a split needs at least {needed} groups (patients, or images with no copy), there are "
            f"{len(free)}: {free!r}. Add patients."
        )
    return free


def _strata(free: Sequence[str], strata: Mapping[str, int], needed: int) -> list[list[str]]:
    """Groups of a stratum together; those with too few of them in one at the end."""
    members: dict[int, list[str]] = defaultdict(list)
    for group in free:
        members[strata[group]].append(group)
    large = [members[key] for key in sorted(members) if len(members[key]) >= needed]
    small = [group for key in sorted(members) if len(members[key]) < needed for group in members[key]]
    return [*large, sorted(small)] if small else large


def _deal(
    drawn: Sequence[str], sizes: Mapping[str, int], val_fraction: float, test_fraction: float, needed: int
) -> dict[str, str]:
    """First fit: test takes drawn groups up to its part of the sizes, then val, then train the rest."""
    if len(drawn) < needed:
        return dict.fromkeys(drawn, "train")
    total = sum(sizes[group] for group in drawn)
    left = list(drawn)
    sides: dict[str, str] = {}
    wanted = [("test", test_fraction), ("val", val_fraction)]
    for reserved, (side, fraction) in zip((2, 1), wanted, strict=True):
        if fraction > 0:
            taken = _take(left, sizes, fraction * total, most=len(left) - reserved)
            sides |= dict.fromkeys(taken, side)
            left = [group for group in left if group not in sides]
    return sides | dict.fromkeys(left, "train")


def _take(left: Sequence[str], sizes: Mapping[str, int], target: float, most: int) -> list[str]:
    """Groups in their order as long as they fit, so many at most; at least the smallest one."""
    taken: list[str] = []
    total = 0
    for group in left:
        if len(taken) < most and total + sizes[group] <= target + 0.5:
            taken.append(group)
            total += sizes[group]
    return taken or [min(left, key=lambda group: sizes[group])]
