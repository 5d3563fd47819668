"""What a recipe must not ask of its data and of its model: refused before Ray or anything else expensive starts."""

from __future__ import annotations

import torch
from torch import nn

from glioray.data.prepared import PreparedDataset
from glioray.data.records import Signature
from glioray.data.stream_size import WORKER_BYTES, train_bytes
from glioray.errors import DataError, RecipeError
from glioray.models._layers import layers
from glioray.recipe import Recipe
from glioray.training.compiling import require_compiler
from glioray.training.worker import batch_size_per_worker

ONE_VALUE = "Expected more than 1 value per channel"  # torch's words


def check_settings(recipe: Recipe) -> None:
    """Refuses settings that others leave without effect.

    Raises:
        RecipeError: the text says which.
    """
    epochs, model = recipe.budget.epochs, recipe.model
    for setting, given in (
        ("schedule.warmup_epochs", recipe.schedule.warmup_epochs),
        ("optimizer.freeze_epochs", recipe.optimizer.freeze_epochs),
    ):
        if given > epochs:
            raise RecipeError(
                f"{setting} is {given}, budget.epochs {epochs}: the run would end before; lower the first, or raise "
                "the second"
            )
    if recipe.optimizer.freeze_epochs and not (getattr(model, "pretrained", False) or weights_file(recipe)):
        raise RecipeError(
            "optimizer.freeze_epochs holds layers that have learned before, here all begin at random: set it to 0, or "
            "begin with weights (model.pretrained, model.weights; only models of timm have them)"
        )
    if getattr(model, "deep_supervision", False) and getattr(model, "depth", None) == 1:
        raise RecipeError(
            "model.deep_supervision is of the levels between the lowest and the finest, model.depth 1 has none: raise "
            "model.depth, or set model.deep_supervision=false"
        )


def weights_file(recipe: Recipe) -> str | None:
    """The file that a recipe's network begins with, as it was given; none where it begins with none."""
    file: str | None = getattr(recipe.model, "weights", None)
    return file or None


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
    recipe.augmentation.fill_place(contents.channels)
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


def check_portion(recipe: Recipe, network: nn.Module, signature: Signature) -> None:
    """Refuses portions of one image where a BatchNorm of this network has one value of each channel then.

    Raises:
        RecipeError: they are of one image, and the network cannot learn from it.
    """
    if batch_size_per_worker(recipe) // recipe.budget.accumulate > 1:
        return
    image = torch.zeros(1, signature.in_channels, signature.image_size, signature.image_size)
    try:
        with torch.no_grad():
            network.train()(image)
    except ValueError as error:
        if ONE_VALUE not in str(error):
            raise
        raise RecipeError(
            f"{recipe.model.name} cannot learn from one image at a time, for its BatchNorm has a single value of each "
            f"channel then; budget.batch_size {recipe.budget.batch_size}, over {recipe.scaling.num_workers} workers "
            f"and {recipe.budget.accumulate} portions (budget.accumulate), is one: raise the first or lower the last"
        ) from None


def _check_foreground(recipe: Recipe, data: PreparedDataset) -> None:
    if recipe.data.foreground_share is None:
        return
    if recipe.task == "classification":
        raise RecipeError("data.foreground_share is of slices that show a label, the task is classification: remove it")
    needed, there = train_bytes(data), recipe.scaling.fewest_workers * WORKER_BYTES
    if needed > there:
        raise RecipeError(
            f"data.foreground_share needs the train side in the workers' memory: {needed / 1e9:.1f} GB, they hold "
            f"{there / 1e9:.0f} GB; raise scaling.num_workers (and min_workers), or prepare with --drop-empty instead"
        )
