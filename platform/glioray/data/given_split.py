"""A split that a person brings: read from JSON, and held to the same rules as one of ours."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.data.records import SIDES
from glioray.data.split import ALWAYS, fold_name, part_names
from glioray.data.staging import Row
from glioray.errors import DataError, LeakError
from glioray.plain_values import from_json

FORMS = '{"train": [IDS], "val": [IDS], "test": [IDS]}, {ID: SIDE}, or the list of folds that nnU-Net writes'
FEWEST_FOLDS = 3


@dataclass(frozen=True)
class GivenSplit:
    """The part of each patient, or of each file where no patient is named."""

    path: Path
    parts: Mapping[str, str]
    folds: int | None
    digest: str

    def parts_of(self, rows: Sequence[Row], groups: Sequence[str], nested: Sequence[tuple[str, str]] = ()) -> list[str]:
        """The part of each row.

        Raises:
            DataError: a patient or file has none, or nobody of a part was read.
            LeakError: a group would stand in two.
        """
        names = [self._name_of(row, group) for row, group in zip(rows, groups, strict=True)]
        missing = sorted({name for name in names if name not in self.parts})
        if missing:
            raise DataError(
                f"{self.path}: names {len(set(names)) - len(missing)} of {len(set(names))} patients or files; "
                f"the first that is missing is {missing[0]!r}. Give each of them a side."
            )
        parts = [self.parts[name] for name in names]
        empty = sorted(set(self.parts.values()) - set(parts))
        if empty:
            raise DataError(f"{self.path}: nobody of those in {empty[0]!r} was read. Read more, or mend the split.")
        self._refuse_leak(names, groups, parts, nested)
        return parts

    def _name_of(self, row: Row, group: str) -> str:
        """By which the file names a row: its patient, case or file, or its group as a split of ours does."""
        names = [name for name in (row.patient_id, row.case_id, row.source, group) if name is not None]
        return next((name for name in names if name in self.parts), names[0])

    def _refuse_leak(
        self,
        names: Sequence[str],
        groups: Sequence[str],
        parts: Sequence[str],
        nested: Sequence[tuple[str, str]],
    ) -> None:
        first: dict[str, int] = {}
        for place, group in enumerate(groups):
            before = first.setdefault(group, place)
            if parts[place] != parts[before]:
                why = "they copy each other" if nested or names[place] != names[before] else "it is one group"
                raise LeakError(
                    f"{self.path}: {names[before]!r} is in {parts[before]} and {names[place]!r} in {parts[place]}, "
                    f"but {why}. Put both on one side."
                )


def read_given_split(path: Path) -> GivenSplit:
    """A split file: ours, a mapping, lists by side, or nnU-Net's `splits_final.json`.

    Raises:
        DataError: it is none of these, or names an id twice.
    """
    try:
        content = path.read_bytes()
        parsed: Any = from_json(content, object_pairs_hook=_each_once)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable split ({error}). Wanted: {FORMS}.") from None
    pairs = _of_folds(path, parsed) if isinstance(parsed, list) else _of_mapping(path, parsed)
    folds = _num_folds(path, {part for _, part in pairs})
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]!r} stands there twice. Give it one side.")
    return GivenSplit(path, dict(pairs), folds, hashlib.sha256(content).hexdigest())


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which may say a name twice; the last one would win."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} stands there twice")
    return dict(pairs)


def _of_mapping(path: Path, parsed: Any) -> list[tuple[str, str]]:
    if not isinstance(parsed, dict):
        raise DataError(f"{path}: not a split. Wanted: {FORMS}.")
    parsed = parsed.get("groups", parsed)
    if set(parsed) <= set(SIDES) and all(isinstance(names, list) for names in parsed.values()):
        pairs = [(str(name), side) for side, names in parsed.items() for name in names]
    else:
        pairs = [(str(name), str(side)) for name, side in parsed.items()]
    if any(side == fold_name(0) for _, side in pairs):
        return pairs
    for name, side in pairs:
        if side not in SIDES:
            raise DataError(f"{path}: {name!r} is put in {side!r}; the sides are {', '.join(SIDES)}.")
    for side in SIDES:
        if side not in {its_side for _, its_side in pairs}:
            raise DataError(f"{path}: nobody is in {side!r}. All of {', '.join(SIDES)} are needed.")
    return pairs


def _num_folds(path: Path, parts: set[str]) -> int | None:
    """How many folds the parts are, or none where they are sides."""
    if fold_name(0) not in parts:
        return None
    folds = len(parts - {ALWAYS})
    strange = sorted(parts - set(part_names(folds)))
    if strange or folds < FEWEST_FOLDS:
        raise DataError(
            f"{path}: {folds} folds, {sorted(parts)!r}; wanted {fold_name(0)!r} and on, at least {FEWEST_FOLDS}."
        )
    return folds


def _of_folds(path: Path, parsed: list[Any]) -> list[tuple[str, str]]:
    """nnU-Net's: each fold is what the others do not validate on."""
    if len(parsed) < FEWEST_FOLDS or not all(isinstance(fold, dict) and "val" in fold for fold in parsed):
        raise DataError(f"{path}: {len(parsed)} folds; at least {FEWEST_FOLDS}, each with a list `val`, are needed.")
    for number, fold in enumerate(parsed):
        if not isinstance(fold["val"], list) or not fold["val"]:
            raise DataError(f"{path}: nobody is in `val` of fold {number}. Each fold needs a list of names there.")
    return [(str(name), fold_name(number)) for number, fold in enumerate(parsed) for name in fold["val"]]
