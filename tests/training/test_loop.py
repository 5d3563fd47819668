from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from glioray.data.prepared import PreparedDataset
from glioray.errors import DataError, ModelError, RecipeError
from glioray.recipe import Recipe
from glioray.training.loop import fit
from glioray.training.plan import batch_size_per_worker, check_fit
from glioray.training.state import MODEL, read_history
from glioray.training.worker import LocalWorker, Progress, checkpoints

Train = Callable[..., Path]


@pytest.fixture
def train(tmp_path: Path, volumes: PreparedDataset) -> Train:
    def run(recipe: Recipe, name: str = "run", **options: object) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        fit(recipe, volumes, LocalWorker(volumes, folder, recipe.seed, **options))
        return checkpoints(folder)[-1]

    return run


def losses(checkpoint: Path) -> list[float]:
    return [row["loss"] for row in read_history(checkpoint)]


def test_same_recipe_and_seed_give_the_same_loss_to_the_last_digit(train: Train, unet_recipe: Recipe) -> None:
    assert losses(train(unet_recipe, "one")) == losses(train(unet_recipe, "two"))


def test_another_seed_gives_another_loss(train: Train, unet_recipe: Recipe) -> None:
    assert losses(train(unet_recipe, "one")) != losses(train(unet_recipe.with_values("seed", 1), "two"))


def test_a_run_killed_and_resumed_equals_an_undisturbed_one_bit_for_bit(train: Train, unet_recipe: Recipe) -> None:
    class Killed(Exception):
        pass

    def kill_in_third_epoch(progress: Progress) -> None:
        if progress.metrics and progress.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(unet_recipe, "killed", on_progress=kill_in_third_epoch)
    resumed, undisturbed = train(unet_recipe, "killed"), train(unet_recipe, "undisturbed")
    assert losses(resumed) == losses(undisturbed)
    weights = load_file(undisturbed / MODEL)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in load_file(resumed / MODEL).items())


def test_patience_ends_a_run_that_does_not_get_better(train: Train, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("optimizer.learning_rate", 1e-12).with_values("budget.patience", 1)
    assert len(losses(train(recipe.with_values("budget.epochs", 50)))) == 2


def test_a_loss_that_is_not_a_number_names_the_setting_to_lower(train: Train, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("optimizer.name", "sgd").with_values("optimizer.learning_rate", 1.0)
    recipe = recipe.with_values("loss.bce_weight", 100).with_values("optimizer.weight_decay", 1)
    with pytest.raises(ModelError, match="lower optimizer.learning_rate"):
        train(recipe.with_values("budget.epochs", 200).with_values("budget.batch_size", 1))


def test_training_lowers_the_loss(train: Train, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("optimizer.learning_rate", 1e-2).with_values("budget.epochs", 25)
    history = losses(train(recipe))
    assert history[-1] < 0.8 * history[0]


def test_a_recipe_of_another_task_is_refused_before_the_start(slices: PreparedDataset, unet_recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="the recipe is for segmentation, .* was prepared for classification"):
        check_fit(unet_recipe, slices)


def test_another_image_size_is_refused_and_both_sizes_named(volumes: PreparedDataset, unet_recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="data.image_size is 64, .* holds 32 px"):
        check_fit(unet_recipe.with_values("data.image_size", 64), volumes)


def test_a_channel_that_the_data_do_not_have_is_refused(volumes: PreparedDataset, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("augmentation.fill", 0.5).with_values("augmentation.fill_channel", 4)
    with pytest.raises(RecipeError, match="channels 0 to 3: t1, t1ce, t2, flair"):
        check_fit(recipe, volumes)


def test_a_batch_larger_than_the_train_side_is_refused(volumes: PreparedDataset, unet_recipe: Recipe) -> None:
    with pytest.raises(DataError, match="fewer than a batch of 4096"):
        check_fit(unet_recipe.with_values("budget.batch_size", 4096), volumes)


def test_the_batch_of_a_recipe_is_shared_by_the_workers(unet_recipe: Recipe) -> None:
    assert batch_size_per_worker(unet_recipe.with_values("scaling.num_workers", 2)) == 2
