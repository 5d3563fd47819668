"""What is going to be trained, checked whole before Ray or anything else expensive starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioray.data.prepared import PreparedDataset
from glioray.data.stream_size import WORKER_BYTES, train_bytes
from glioray.errors import DataError, RecipeError
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.tasks import _contract as tasks
from glioray.training.record import BUNDLE, open_run


@dataclass(frozen=True)
class Plan:
    """A recipe, the data that it fits, and the folder of its run."""

    recipe: Recipe
    data: PreparedDataset
    folder: Path

    @property
    def is_complete(self) -> bool:
        """Whether the run has come to its end before."""
        return (self.folder / BUNDLE).exists()


def plan_run(recipe: Recipe, runs: Path, name: str | None = None) -> Plan:
    """Opens the data, checks that all fits, and makes or finds the run's folder.

    Args:
        recipe: what is asked.
        runs: folder of run folders, on storage that all nodes share.
        name: of the run; by default made from the recipe and the data, so that the same command finds the same run.

    Raises:
        GliorayError: see `check_fit`; or the name is taken by a run of another recipe.
    """
    data = PreparedDataset.open(Path(recipe.data.path).absolute(), recipe.data.fold)
    check_fit(recipe, data)
    folder = runs.absolute() / (name or _run_name(recipe, data))
    open_run(folder, recipe, data)
    return Plan(recipe, data, folder)


def check_fit(recipe: Recipe, data: PreparedDataset) -> None:
    """Refuses what would fail or mislead later.

    Raises:
        RecipeError, DataError, ModelError: recipe, data and model do not fit each other.
        LeakError: a group stands on two sides.
    """
    contents, signature = data.manifest.contents, data.signature
    if contents.task != recipe.task:
        raise RecipeError(
            f"the recipe is for {recipe.task}, {data.folder} was prepared for {contents.task}: take another of the two"
        )
    wanted_px = recipe.data.image_size
    if wanted_px not in (None, signature.image_size):
        raise RecipeError(
            f"data.image_size is {wanted_px}, {data.folder} holds {signature.image_size} px: prepare it again with "
            f"--image-size {wanted_px}, or --set data.image_size={signature.image_size}"
        )
    per_worker = data.manifest.sides["train"].rows // recipe.scaling.num_workers
    if batch_size_per_worker(recipe) > per_worker:
        raise DataError(
            f"{data.folder}: {per_worker} training images a worker, fewer than a batch of "
            f"{batch_size_per_worker(recipe)}: lower budget.batch_size"
        )
    if recipe.augmentation.fill and recipe.augmentation.fill_channel >= signature.in_channels:
        raise RecipeError(
            f"augmentation.fill_channel is {recipe.augmentation.fill_channel}, {data.folder} has channels 0 to "
            f"{signature.in_channels - 1}: {', '.join(contents.channels)}"
        )
    _check_foreground(recipe, data)
    tasks.build(contents, recipe.loss, num_patients=1)
    build_network(recipe, contents, signature)
    data.verify()


def _check_foreground(recipe: Recipe, data: PreparedDataset) -> None:
    if recipe.data.foreground_share is None:
        return
    if recipe.task == "classification":
        raise RecipeError("data.foreground_share is of slices that show a label, the task is classification: remove it")
    needed, there = train_bytes(data), recipe.scaling.num_workers * WORKER_BYTES
    if needed > there:
        raise RecipeError(
            f"data.foreground_share needs the train side in the workers' memory: {needed / 1e9:.1f} GB, they hold "
            f"{there / 1e9:.0f} GB; raise scaling.num_workers, or prepare with --drop-empty instead"
        )


def batch_size_per_worker(recipe: Recipe) -> int:
    """Images of one update on one worker; the recipe's batch is that of all together."""
    return recipe.budget.batch_size // recipe.scaling.num_workers


def _run_name(recipe: Recipe, data: PreparedDataset) -> str:
    """The same for the same recipe and data, and no clock in it."""
    return f"{recipe.model.name}-{recipe.fingerprint}-{data.manifest.fingerprint[:4]}"
