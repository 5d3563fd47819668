"""What is going to be searched, checked whole before Ray or anything else expensive starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from glioray.data.place import local_folder
from glioray.data.prepared import PreparedDataset
from glioray.errors import ClusterError, GliorayError, RecipeError
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.remote import is_remote
from glioray.training.checks import check_network, check_settings
from glioray.training.plan import check_fit
from glioray.training.record import write_at_once
from glioray.tuning.space import SearchSpace, first_line

SEARCH_FILE, DATABASE, TRIALS, FINAL = "search.yaml", "study.db", "trials", "final"


@dataclass(frozen=True)
class SweepPlan:
    """A search space, the data that all its recipes fit, and where the sweep lies.

    Args:
        space: what is searched.
        data: what is learned from.
        folder: of the sweep, on storage that all nodes share.
        storage: SQLAlchemy's address of the study's database.
    """

    space: SearchSpace
    data: PreparedDataset
    folder: Path
    storage: str

    @property
    def name(self) -> str:
        """Of the sweep and of its study."""
        return self.folder.name

    def trial_folder(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.folder / TRIALS / f"{number:05d}"

    def recipe_of(self, recipe: Recipe) -> Recipe:
        """A trial's recipe as it runs: on as many GPUs as the search gives it."""
        return recipe.with_values("scaling.use_gpu", True) if self.space.search.resources.gpus else recipe


def plan_sweep(
    space: SearchSpace,
    sweeps: Path | str,
    name: str | None = None,
    storage: str | None = None,
    must_be_there: bool = False,
) -> SweepPlan:
    """Opens the data, checks that every end of the space fits them, and makes or finds the sweep's folder.

    Args:
        space: what is asked.
        sweeps: folder of sweep folders.
        name: of the sweep; by default made from space and data, so that the same command finds the same sweep.
        storage: address of a database; by default a file of SQLite in the sweep's folder.
        must_be_there: refuse to begin a new one.

    Raises:
        GliorayError: the data, or a recipe of the space, do not fit; the folder is no place for a sweep.
    """
    if is_remote(str(sweeps)):
        raise ClusterError(
            f"--sweeps {sweeps}: a sweep lies in a folder that all nodes share, not at an address: name one, as of a "
            "network share; its trials can be published to an address"
        )
    data = PreparedDataset.open(local_folder(space.base.data.path).absolute(), space.base.data.fold)
    check_ends(space, data)
    chosen = name or f"{space.base.model.name}-{space.fingerprint}-{data.manifest.fingerprint[:4]}"
    folder = Path(sweeps).absolute() / chosen
    if must_be_there and not (folder / SEARCH_FILE).exists():
        there = sorted(found.parent.name for found in Path(sweeps).glob(f"*/{SEARCH_FILE}"))
        raise RecipeError(
            f"--resume: {folder} holds no sweep; in {sweeps} there is: {', '.join(there) or 'none'}. Name one by "
            "--name, or leave --resume out to begin"
        )
    return SweepPlan(space, data, folder, storage or f"sqlite:///{folder / DATABASE}")


def check_ends(space: SearchSpace, data: PreparedDataset) -> None:
    """Refuses a space with a recipe that could not be trained on these data.

    Raises:
        GliorayError: the base recipe does not fit, or an end of a range; a line for each.
    """
    check_fit(space.base, data)
    lines = []
    for path, values in space.ends():
        recipe = space.recipe(values)
        try:
            check_settings(recipe)
            check_network(recipe, build_network(recipe, data.manifest.contents, data.signature))
        except GliorayError as error:
            lines.append(f"search.space.{path}: {values[path]!r} is refused: {first_line(error)}")
    if lines:
        raise RecipeError("\n".join(lines))


@contextmanager
def opened(plan: SweepPlan) -> Iterator[None]:
    """The sweep's folder with what is searched, for this process alone.

    Raises:
        ClusterError: another process works on the sweep.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(plan.folder / ".lock", timeout=0):
            content = {"recipe": plan.space.base.values(), "search": plan.space.values()}
            write_at_once(plan.folder / SEARCH_FILE, yaml.safe_dump(content, sort_keys=False).encode())
            yield
    except Timeout:
        raise ClusterError(
            f"{plan.folder}: another `glioray tune` works on this sweep: wait for its end, or choose another --name"
        ) from None
