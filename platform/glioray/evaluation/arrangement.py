"""Which runs belong together: the folds of one data set, the same training with several seeds, or both."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.data.prepared import PreparedDataset
from glioray.data.records import Side
from glioray.errors import DataError, ModelError, RecipeError
from glioray.evaluation.tested import open_data
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig
from glioray.registry.card import seed_text
from glioray.registry.locate import Located

Seed = int | tuple[int, ...]
DIFFER = ("data.fold", "seed", "data.path", "scaling.cpus_per_worker")
"""Settings in which runs may differ; whether the data are the same is seen by their fingerprint."""
PLANNED = ("budget.batch_size", "data.foreground_share", "loss.class_weights")
"""Settings that `plan: auto` takes from the train side, which is another one for each fold."""


@dataclass(frozen=True)
class Entry:
    """A run by the name that was given for it."""

    name: str
    found: Located

    @property
    def config(self) -> BundleConfig:
        """Of its bundle."""
        return self.found.bundle.config

    @property
    def fold(self) -> int | None:
        """The fold that it is tested on.

        Raises:
            ModelError: it is an average over several, so that there is none left to test it on.
        """
        folds = {recipe["data"].get("fold") for recipe in self.config.recipes}
        if len(folds) > 1:
            raise ModelError(
                f"{self.name}: an average over {len(folds)} folds has learned from every patient; test it on other data"
            )
        fold: int | None = folds.pop()
        return fold


@dataclass(frozen=True)
class Arrangement:
    """By seed, the run of each fold in their order; one run a seed where the data have no folds."""

    by_seed: dict[Seed, tuple[Entry, ...]]
    side: Side
    data_fingerprint: str

    @property
    def num_folds(self) -> int:
        """Of each seed; 1 where nothing is pooled."""
        return len(next(iter(self.by_seed.values())))

    @property
    def folder_name(self) -> str:
        """The same for the same seeds of the same training on the same side of the same data, in any order."""
        config = next(iter(self.by_seed.values()))[0].config
        recipe = config.checked_recipe.with_values("seed", 0).with_values("data.fold", None)
        parts = [re.sub(r"[^a-z0-9_]+", "-", config.architecture.lower())]
        parts += [f"{self.num_folds}-folds"] if self.num_folds > 1 else []
        seeds = sorted("+".join(map(str, seed)) if isinstance(seed, tuple) else str(seed) for seed in self.by_seed)
        parts += [f"seed{'s' if len(seeds) > 1 else ''}-{'-'.join(seeds)}"]
        parts += [recipe.fingerprint, self.data_fingerprint[:8]]
        return "-".join([*parts, *([] if self.side == "test" else [self.side])])


def arrange(entries: Sequence[Entry], data: Path, side: Side) -> Arrangement:
    """Puts runs in their places.

    Raises:
        ModelError: they are of different tasks or data, one of them is an average over folds, or one is there twice.
        RecipeError: their recipes differ in more than fold and seed.
        DataError: a fold is missing, or the side cannot be pooled.
    """
    first = entries[0]
    for other in entries[1:]:
        _require_alike(first, other)
    fingerprint = PreparedDataset.open(data).manifest.fingerprint
    by_place = _by_place(entries)
    seeds = list(dict.fromkeys(entry.config.seed for entry in entries))
    if len({entry.fold for entry in entries}) == 1:
        _require_same_split(entries)
        return Arrangement({seed: (by_place[seed, first.fold],) for seed in seeds}, side, fingerprint)
    _require_own_folds(entries, data, side)
    folds = range(open_data(data, first.config).manifest.settings.folds or 0)
    _require_all(by_place, folds, seeds)
    return Arrangement({seed: tuple(by_place[seed, fold] for fold in folds) for seed in seeds}, side, fingerprint)


def _require_alike(one: Entry, other: Entry) -> None:
    pair = f"{one.name} and {other.name}"
    tasks = one.config.contents.task, other.config.contents.task
    if tasks[0] != tasks[1]:
        raise ModelError(f"{pair}: one is for {tasks[0]}, the other for {tasks[1]}; evaluate them one by one")
    kinds = _kind(one.config), _kind(other.config)
    if kinds[0] != kinds[1]:
        raise ModelError(f"{pair}: one is {kinds[0]}, the other {kinds[1]}; evaluate them one by one")
    if one.config.source_hash != other.config.source_hash:
        raise ModelError(f"{pair} were trained on different data; evaluate them one by one")
    mine, others = _settings(one.config), _settings(other.config)
    for path in sorted(mine.keys() | others.keys()):
        if mine.get(path) != others.get(path):
            raise RecipeError(
                f"{pair} differ in {path}: {mine.get(path)!r} and {others.get(path)!r}. Only runs that differ in "
                "data.fold and seed are scored together; evaluate these one by one"
            )


def _kind(config: BundleConfig) -> str:
    return f"an average of {len(config.members)}" if config.members else "a single model"


def _settings(config: BundleConfig) -> dict[str, Any]:
    """By dotted path, of all members; without those that may differ."""
    found: dict[str, Any] = {}
    for number, recipe in enumerate(config.recipes):
        free = DIFFER + (PLANNED if recipe.get("plan") == "auto" else ())
        whole = Recipe.from_values(recipe, "bundle").values()  # with what an older run leaves to its default
        plain = {path: value for path, value in _flat(whole).items() if path not in free}
        found |= {f"member {number}: {path}" if config.members else path: value for path, value in plain.items()}
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def _by_place(entries: Sequence[Entry]) -> dict[tuple[Seed, int | None], Entry]:
    places: dict[tuple[Seed, int | None], Entry] = {}
    for entry in entries:
        place = (entry.config.seed, entry.fold)
        if place in places:
            of_fold = "" if entry.fold is None else f"fold {entry.fold} and "
            what = f"{of_fold}{seed_text(entry.config.seed)}"
            raise ModelError(f"{places[place].name} and {entry.name}: both are of {what}; leave one out")
        places[place] = entry
    return places


def _require_own_folds(entries: Sequence[Entry], data: Path, side: Side) -> None:
    if side == "train":
        raise DataError("the train sides of folds share their patients: evaluate --side test, or val, or run by run")
    for entry in entries:
        found = open_data(data, entry.config).manifest.fingerprint
        if found != entry.config.data_fingerprint:
            raise ModelError(
                f"{entry.name} was trained on data {entry.config.data_fingerprint}; {data}, fold {entry.fold}, is data "
                f"{found}. Folds are scored together on the data that they were trained on alone"
            )


def _require_all(by_place: Collection[tuple[Seed, int | None]], folds: Sequence[int], seeds: Sequence[Seed]) -> None:
    for seed in seeds:
        lacking = [fold for fold in folds if (seed, fold) not in by_place]
        if lacking:
            names = ", ".join(f"fold {fold}" for fold in lacking)
            raise DataError(
                f"{seed_text(seed)}: of {len(folds)} folds, there is no run of {names}. Train it with "
                f"--set data.fold={lacking[0]}, or evaluate run by run"
            )


def _require_same_split(entries: Sequence[Entry]) -> None:
    first = entries[0]
    for other in entries[1:]:
        if other.config.data_fingerprint != first.config.data_fingerprint:
            raise ModelError(
                f"{first.name} and {other.name} were trained on different splits: data "
                f"{first.config.data_fingerprint} and {other.config.data_fingerprint}; evaluate them one by one"
            )
