"""The steps that are killed under way, and what must hold: of the half that is found then, and of the whole at last.

A step works in a place of its own and on what `Ground` holds; what must hold is told by what does not.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from _family import ALL, DRIVER

from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.errors import GliorayError
from glioray.registry.bundle import WEIGHTS, ModelBundle
from glioray.registry.store import LATEST, Store
from glioray.training.checkpoints import checkpoints, damage
from glioray.training.record import BUNDLE, METRICS

GLIORAY = str(Path(sys.executable).with_name("glioray"))
PHANTOM = PhantomSettings(num_patients=24, image_size=80, num_slices=8, slices_per_patient=2)
EPOCHS, TRIALS, NAME = 6, 4, "regions"
RECIPE: dict[str, Any] = {
    "task": "segmentation",
    "model": {"name": "classic_unet", "base_filters": 2, "depth": 2},
    "budget": {"epochs": EPOCHS, "batch_size": 4},
    "precision": "fp32",
}
# A grid, one trial at a time: which settings are tried does not hang on which trial ends first.
SEARCH: dict[str, Any] = {
    "trials": TRIALS,
    "concurrency": 1,
    "resources": {"cpus": 0.5},
    "scheduler": {"name": "none"},
    "sampler": {"name": "grid"},
    "space": {
        "model.base_filters": {"kind": "choice", "options": [2, 3]},
        "optimizer.clip_norm": {"kind": "choice", "options": [0.5, 1.0]},
    },
}


@dataclass(frozen=True)
class Ground:
    """What the steps begin with: raw scans, a recipe, and a place for each step in which nothing happened to it."""

    folder: Path

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def recipe(self) -> Path:
        return self.folder / "unet.yaml"

    def calm(self, step: Step) -> Path:
        return self.folder / "calm" / step.name

    def lay(self) -> None:
        """Writes the scans and the recipe, once."""
        if not self.raw.exists():
            write_phantom(self.raw, PHANTOM)
        recipe = {**RECIPE, "data": {"path": str(self.calm(Prepare(self)) / "data")}}
        self.recipe.write_text(yaml.safe_dump({"recipe": recipe, "search": SEARCH}))


@dataclass(frozen=True)
class Step:
    """A command that is killed."""

    ground: Ground
    name: ClassVar[str]
    victims: ClassVar[tuple[str, ...]] = (DRIVER, ALL)
    small_mb: ClassVar[float] = 0.0
    """What it writes, roughly: the room on a disk that fills up under way; 0 where it is not tried"""

    def begin(self, place: Path) -> None:
        """What the place holds before."""
        place.mkdir(parents=True, exist_ok=True)

    def command(self, place: Path) -> list[str]:
        raise NotImplementedError

    def half(self, place: Path) -> Iterator[str]:
        """What does not hold after a kill at any moment."""
        raise NotImplementedError

    def whole(self, place: Path) -> Iterator[str]:
        """What does not hold when the same command was given again."""
        raise NotImplementedError


class Prepare(Step):
    """The folder of the shards is not there, or it is the one that an undisturbed preparation writes."""

    name = "prepare"
    small_mb = 1.0

    def command(self, place: Path) -> list[str]:
        sides = ["--val-fraction", "0.3", "--test-fraction", "0.3"]
        asked = ["--task", "segmentation", "--image-size", "32", "--workers", "2", *sides]
        return [GLIORAY, "prepare", "phantom", str(self.ground.raw), "--out", str(place / "data"), *asked]

    def half(self, place: Path) -> Iterator[str]:
        if (place / "data").exists():
            yield from _differences(place / "data", self.ground.calm(self) / "data")

    def whole(self, place: Path) -> Iterator[str]:
        yield from _differences(place / "data", self.ground.calm(self) / "data")
        if left := sorted({path.name for path in place.iterdir()} - {"data", "log"}):
            yield f"left behind: {left}"


class Train(Step):
    """Each checkpoint is whole; the run ends with the losses and the weights of an undisturbed one, to the last bit."""

    name = "train"
    victims = (DRIVER, "worker", "raylet", "head", ALL)
    small_mb = 0.3

    def command(self, place: Path) -> list[str]:
        return [GLIORAY, "train", str(self.ground.recipe), "--runs", str(place / "runs"), "--name", "run"]

    def half(self, place: Path) -> Iterator[str]:
        run = place / "runs" / "run"
        yield from (f"{one.name}: {damage(one)}" for one in checkpoints(run) if damage(one))
        yield from _broken_bundles([run / BUNDLE])

    def whole(self, place: Path) -> Iterator[str]:
        run, calm = place / "runs" / "run", self.ground.calm(self) / "runs" / "run"
        if _losses(run) != _losses(calm):
            yield "the losses are not those of an undisturbed run"
        if (run / BUNDLE / WEIGHTS).read_bytes() != (calm / BUNDLE / WEIGHTS).read_bytes():
            yield "the weights are not those of an undisturbed run"


class Tune(Step):
    """No trial is there twice and none is missing; each comes to what it comes to undisturbed."""

    name = "tune"
    victims = (DRIVER, "worker", "raylet", ALL)
    small_mb = 0.5

    def command(self, place: Path) -> list[str]:
        names = ["--sweeps", str(place / "sweeps"), "--name", "sweep", "--no-confirm"]
        return [GLIORAY, "tune", str(self.ground.recipe), *names]

    def half(self, place: Path) -> Iterator[str]:
        trials = place / "sweeps" / "sweep" / "trials"
        yield from _broken_bundles(trials.glob(f"*/{BUNDLE}"))
        for trial in trials.glob("*"):
            yield from (f"{trial.name}, {one.name}: {damage(one)}" for one in checkpoints(trial) if damage(one))

    def whole(self, place: Path) -> Iterator[str]:
        found, calm = _trials(place), _trials(self.ground.calm(self))
        if twice := [settings for settings, count in Counter(one for one, _ in found).items() if count > 1]:
            yield f"tried twice: {twice}"
        if dict(found) != dict(calm):
            yield "the trials came to something else than undisturbed ones"


class Publish(Step):
    """Every version is as it was published, and every alias stands for one."""

    name = "publish"

    @property
    def bundle(self) -> Path:
        return self.ground.calm(Train(self.ground)) / "runs" / "run" / BUNDLE

    def begin(self, place: Path) -> None:
        """A registry with one version."""
        super().begin(place)
        Store(str(place / "registry")).publish(self.bundle, NAME)

    def command(self, place: Path) -> list[str]:
        run = str(self.bundle.parent)
        return [GLIORAY, "publish", run, NAME, "--alias", "candidate", "--registry", str(place / "registry")]

    def half(self, place: Path) -> Iterator[str]:
        store = Store(str(place / "registry"))
        versions = store.versions(NAME)
        if 1 not in versions:
            yield "the version of before is gone"
        for version in versions:
            try:
                store.load(f"{NAME}@{version}")
            except GliorayError as error:
                yield str(error)
        yield from (f"alias {alias}: {v}" for alias, v in store.aliases(NAME).items() if v not in versions)
        if LATEST not in store.aliases(NAME):
            yield "no latest"

    def whole(self, place: Path) -> Iterator[str]:
        yield from self.half(place)
        store = Store(str(place / "registry"))
        newest = store.versions(NAME)[-1]
        if newest < 2 or set(store.aliases(NAME).values()) != {newest}:
            yield f"aliases {store.aliases(NAME)} are not all of the newest version {newest}"
        if (store.load(f"{NAME}@{newest}")[1].weights.keys()) != ModelBundle.load(self.bundle).weights.keys():
            yield "the newest is another model"


STEPS: tuple[type[Step], ...] = (Prepare, Train, Tune, Publish)


def clear(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def _differences(folder: Path, calm: Path) -> Iterator[str]:
    found, expected = _hashes(folder), _hashes(calm)
    if missing := sorted(expected.keys() - found.keys()):
        yield f"{folder.name}: {missing[0]} is missing"
    if more := sorted(found.keys() - expected.keys()):
        yield f"{folder.name}: {more[0]} is not in an undisturbed one"
    if other := [name for name in sorted(found.keys() & expected.keys()) if found[name] != expected[name]]:
        yield f"{folder.name}: {other[0]} differs from an undisturbed one"


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _broken_bundles(folders: Any) -> Iterator[str]:
    for folder in folders:
        try:
            if folder.exists():
                ModelBundle.load(folder).build()
        except GliorayError as error:
            yield str(error)


def _losses(run: Path) -> list[tuple[str, ...]]:
    with (run / METRICS).open(newline="") as file:
        return [(row["epoch"], row["loss"], row["val/loss"], row["score"]) for row in csv.DictReader(file)]


def _trials(place: Path) -> list[tuple[str, tuple[Any, ...]]]:
    """Settings of each trial, and what it came to."""
    sweep = json.loads((place / "sweeps" / "sweep" / "sweep.json").read_text())
    ended = [(json.dumps(one["settings"], sort_keys=True), one) for one in sweep["trials"]]
    return [(settings, (one["state"], one["values"], sorted(one["epochs"].items()))) for settings, one in ended]
