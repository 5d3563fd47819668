"""What is going to be trained, checked whole before Ray or anything else expensive starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from glioray.data.place import local_folder
from glioray.data.prepared import PreparedDataset
from glioray.explain.gates import gate_names
from glioray.models import _contract as models
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.run_folder import BUNDLE, RunFolder
from glioray.remote import is_remote, joined
from glioray.tasks import _contract as tasks
from glioray.training.checks import check_data, check_network, check_portion, check_settings, weights_file
from glioray.training.record import open_run


@dataclass(frozen=True)
class Plan:
    """A recipe, the data that it fits, and where its run lies."""

    recipe: Recipe
    data: PreparedDataset
    place: RunFolder

    @property
    def folder(self) -> Path:
        """The run's folder on this machine."""
        return self.place.path

    @property
    def data_place(self) -> str:
        """Where every machine finds the data."""
        return shared_place(self.recipe, self.data)

    @property
    def measure(self) -> str:
        """What chooses the epoch on val, in words, as `balanced accuracy`."""
        task = tasks.build(self.data.manifest.contents, self.recipe.loss, num_patients=1)
        return task.score.replace("_", " ")

    @property
    def is_complete(self) -> bool:
        """Whether the run has come to its end before."""
        return (self.folder / BUNDLE).exists()


def plan_run(recipe: Recipe, runs: Path | str, name: str | None = None) -> Plan:
    """Opens the data, checks that all fits, and makes or finds the run's folder.

    Args:
        recipe: what is asked.
        runs: folder of run folders, on storage that all nodes share; or its address, as s3://BUCKET/runs.
        name: of the run; by default made from the recipe and the data, so that the same command finds the same run.

    Raises:
        GliorayError: see `check_fit`; or the name is taken by a run of another recipe.
    """
    data = PreparedDataset.open(local_folder(recipe.data.path).absolute(), recipe.data.fold)
    check_fit(recipe, data)
    recipe = _with_absolute_weights(recipe)
    place = RunFolder(joined(str(runs), name or _run_name(recipe, data)))
    place.fetch()
    open_run(place.path, recipe, data)
    return Plan(recipe, data, place)


def shared_place(recipe: Recipe, data: PreparedDataset) -> str:
    """Where every machine finds a recipe's data: an address, or the path of a folder that all share."""
    return recipe.data.path if is_remote(recipe.data.path) else str(data.folder)


def check_fit(recipe: Recipe, data: PreparedDataset) -> None:
    """Refuses what would fail or mislead later.

    Raises:
        RecipeError, DataError, ModelError: recipe, data and model do not fit each other.
        LeakError: a group stands on two sides.
    """
    check_settings(recipe)
    check_data(recipe, data)
    tasks.build(data.manifest.contents, recipe.loss, num_patients=1)
    network = build_network(recipe, data.manifest.contents, data.signature)
    check_network(recipe, network)
    check_portion(recipe, network, data.signature)
    models.require_weights(recipe.model)
    data.verify()


def cautions(recipe: Recipe, data: PreparedDataset) -> tuple[str, ...]:
    """A line for each setting that fits, and that has spoiled runs before."""
    optimizer, signature = recipe.optimizer, data.signature
    if optimizer.name != "adam" or optimizer.weight_decay == 0:
        return ()
    image = torch.zeros(1, signature.in_channels, signature.image_size, signature.image_size)
    gates = gate_names(build_network(recipe, data.manifest.contents, signature), image)
    if not gates:
        return ()
    return (
        f"optimizer.name is adam, optimizer.weight_decay {optimizer.weight_decay:g}: adam's decay shuts off gates for "
        f"good, {recipe.model.name} has {len(gates)}; set optimizer.name=adamw, or optimizer.weight_decay=0",
    )


def _with_absolute_weights(recipe: Recipe) -> Recipe:
    """Workers have another working directory, and the run is the same wherever it is started from."""
    file = weights_file(recipe)
    return recipe if file is None else recipe.with_values("model.weights", str(Path(file).absolute()))


def _run_name(recipe: Recipe, data: PreparedDataset) -> str:
    """The same for the same recipe and data, and no clock in it."""
    return f"{recipe.model.name}-{recipe.fingerprint}-{data.manifest.fingerprint[:4]}"
