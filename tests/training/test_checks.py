from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from glioray.data.prepared import PreparedDataset
from glioray.data.records import Signature
from glioray.errors import DataError, RecipeError
from glioray.recipe import Recipe
from glioray.training.checks import check_network, check_portion
from glioray.training.plan import check_fit, plan_run


def test_a_recipe_of_another_task_is_refused_before_the_start(slices: PreparedDataset, unet_recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="the recipe is for segmentation, .* was prepared for classification"):
        check_fit(unet_recipe, slices)


def test_another_image_size_is_refused_and_both_sizes_named(volumes: PreparedDataset, unet_recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="data.image_size is 64, .* holds 32 px"):
        check_fit(unet_recipe.with_values("data.image_size", 64), volumes)


def test_a_channel_that_the_data_do_not_have_is_refused(volumes: PreparedDataset, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("augmentation.fill", 0.5).with_values("augmentation.fill_channel", "flare")
    with pytest.raises(RecipeError, match=r"not 'flare'; did you mean 'flair'\?"):
        check_fit(recipe, volumes)


def test_a_batch_larger_than_the_train_side_is_refused(volumes: PreparedDataset, unet_recipe: Recipe) -> None:
    with pytest.raises(DataError, match="fewer than a batch of 4096"):
        check_fit(unet_recipe.with_values("budget.batch_size", 4096), volumes)


def test_weights_for_another_number_of_labels_are_refused(unet_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has 2 values, the data have 3 outputs: necrotic, edema, enhancing"):
        plan_run(unet_recipe.with_values("loss.class_weights", [1.0, 2.0]), tmp_path)


def test_a_foreground_share_needs_the_train_side_in_memory(
    unet_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glioray.training.checks.WORKER_BYTES", 1000)
    with pytest.raises(RecipeError, match=r"data\.foreground_share needs the train side in the workers' memory"):
        plan_run(unet_recipe.with_values("data.foreground_share", 0.3), tmp_path)


@pytest.mark.parametrize(("setting", "value"), [("layer_decay", 0.7), ("freeze_epochs", 1)])
def test_layers_are_not_told_apart_where_there_is_one(unet_recipe: Recipe, setting: str, value: float) -> None:
    recipe = unet_recipe.with_values(f"optimizer.{setting}", value)
    with pytest.raises(RecipeError, match=rf"optimizer\.{setting} tells layers apart, classic_unet has a single one"):
        check_network(recipe, nn.Conv2d(1, 1, 1))
    check_network(recipe, nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule.warmup_epochs": 4}, "schedule.warmup_epochs is 4, budget.epochs 3: the run would end before"),
        ({"optimizer.freeze_epochs": 4}, "optimizer.freeze_epochs is 4, budget.epochs 3: the run would end before"),
        ({"optimizer.freeze_epochs": 1}, "optimizer.freeze_epochs holds layers .* here all begin at random"),
        ({"model.depth": 1, "model.deep_supervision": True}, "model.depth 1 has none: raise model.depth"),
    ],
)
def test_a_setting_without_effect_is_refused(
    volumes: PreparedDataset, unet_recipe: Recipe, settings: dict[str, object], expected: str
) -> None:
    with pytest.raises(RecipeError, match=expected):
        check_fit(unet_recipe.with_settings(settings), volumes)


def test_one_image_at_a_time_is_refused_where_its_batch_norm_has_one_value(unet_recipe: Recipe) -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    portions = unet_recipe.with_values("budget.accumulate", 4)
    with pytest.raises(RecipeError, match=r"one image at a time, .* budget\.batch_size 4, .* \(budget\.accumulate\)"):
        check_portion(portions, network, Signature(4, 3, 32))
    check_portion(unet_recipe, network, Signature(4, 3, 32))
    check_portion(portions, nn.BatchNorm2d(4), Signature(4, 3, 32))


def test_a_missing_compiler_is_known_before_the_start(
    volumes: PreparedDataset, unet_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(device: object) -> None:
        raise RecipeError("no compiler")

    monkeypatch.setattr("glioray.training.checks.require_compiler", refuse)
    check_fit(unet_recipe, volumes)
    with pytest.raises(RecipeError, match="no compiler"):
        check_fit(unet_recipe.with_values("compile", True), volumes)


def test_weights_from_outside_are_asked_for_before_the_start(
    volumes: PreparedDataset, unet_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(config: object) -> None:
        raise RecipeError("cannot be fetched")

    monkeypatch.setattr("glioray.models._contract.require_weights", refuse)
    with pytest.raises(RecipeError, match="cannot be fetched"):
        check_fit(unet_recipe, volumes)
