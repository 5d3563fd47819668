"""What a recipe must not ask of its data and of its model: refused before Ray or anything else expensive starts."""

from __future__ import annotations

import torch
from torch import nn

from glioray.data.prepared import PreparedDataset
from glioray.data.stream_size import WORKER_BYTES, train_bytes
from glioray.errors import DataError, RecipeError
from glioray.models._layers import layers
from glioray.recipe import Recipe
from glioray.training.compiling import require_compiler
from glioray.training.worker import batch_size_per_worker


def check_data(recipe: Recipe, data: PreparedDataset) -> None:
    """Refuses a recipe that is for other data, or more than these are.

    Raises:
        RecipeError, DataError: the text says which.
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
    _check_fill(recipe, data)
    _check_foreground(recipe, data)


def check_network(recipe: Recipe, network: nn.Module) -> None:
    """Refuses what this network cannot be trained with on this machine.

    Raises:
        RecipeError: the text says which setting.
    """
    optimizer = recipe.optimizer
    asked = {"layer_decay": optimizer.layer_decay not in (None, 1), "freeze_epochs": optimizer.freeze_epochs > 0}
    for setting, is_asked in asked.items():
        if is_asked and len(layers(network)) < 2:
            raise RecipeError(
                f"optimizer.{setting} tells layers apart, {recipe.model.name} has a single one: remove the setting"
            )
    if recipe.compile and not recipe.scaling.use_gpu:  # only a worker can say what its GPU's machine has
        require_compiler(torch.device("cpu"))


def _check_fill(recipe: Recipe, data: PreparedDataset) -> None:
    augmentation, contents = recipe.augmentation, data.manifest.contents
    if augmentation.fill and augmentation.fill_channel >= len(contents.channels):
        raise RecipeError(
            f"augmentation.fill_channel is {augmentation.fill_channel}, {data.folder} has channels 0 to "
            f"{len(contents.channels) - 1}: {', '.join(contents.channels)}"
        )


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
