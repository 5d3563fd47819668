from __future__ import annotations

from pathlib import Path

import pytest

from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.errors import DataError
from glioray.recipe import Recipe
from glioray.training.plan import cautions, plan_run

TIMM = {"task": "segmentation", "loss": {}, "budget": {"batch_size": 4}}


@pytest.fixture(scope="module")
def folds(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    options = PrepareOptions(task="segmentation", image_size=32, folds=3)
    return prepare("phantom", phantom, tmp_path_factory.mktemp("folds") / "data", options)


def test_a_fold_is_trained_on_as_a_split(folds: PreparedDataset, unet_recipe: Recipe, tmp_path: Path) -> None:
    recipe = unet_recipe.with_values("data.path", str(folds.folder))
    plans = [plan_run(recipe.with_values("data.fold", fold), tmp_path) for fold in range(3)]
    tested = [plan.data.patients("test") for plan in plans]
    assert sorted(sum(tested, ())) == sorted(folds.split.patients)
    assert len({plan.folder for plan in plans}) == 3


@pytest.mark.parametrize(
    ("model", "optimizer", "told"),
    [
        ("attention_unet", "adam", 1),
        ("attention_unet", "adamw", 0),
        ("improved_unet", "adam", 0),
    ],
)
def test_a_decay_that_shuts_off_gates_is_told(
    volumes: PreparedDataset, unet_recipe: Recipe, model: str, optimizer: str, told: int
) -> None:
    network = {"name": model, "base_filters": 4, "depth": 2}
    settings = {"name": optimizer, "weight_decay": 1e-3}
    recipe = Recipe.from_values(unet_recipe.values() | {"model": network, "optimizer": settings})

    lines = cautions(recipe, volumes)
    assert ["attention_unet has 2" in line for line in lines] == [True] * told
    assert cautions(recipe.with_values("optimizer.weight_decay", 0), volumes) == ()


def test_weights_are_found_from_another_folder_and_are_the_same_run(
    volumes: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recipe(weights: Path) -> Recipe:
        model = {"name": "timm_unet", "architecture": "resnet18", "weights": str(weights)}
        return Recipe.from_values({**TIMM, "data": {"path": str(volumes.folder)}, "model": model})

    monkeypatch.setattr("glioray.models._contract.require_weights", lambda config: None)
    monkeypatch.chdir(tmp_path)
    plans = [plan_run(recipe(weights), Path("runs")) for weights in (Path("w.safetensors"), tmp_path / "w.safetensors")]
    assert plans[0].folder == plans[1].folder
    saved = Recipe.from_yaml(plans[0].folder / "recipe.yaml")
    assert saved == plans[0].recipe
    assert saved.values()["model"]["weights"] == str(tmp_path / "w.safetensors")


def test_folds_without_a_choice_are_refused(folds: PreparedDataset, unet_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"these data are 3 folds: choose the one to test on with data\.fold"):
        plan_run(unet_recipe.with_values("data.path", str(folds.folder)), tmp_path)


def test_a_fold_of_data_without_folds_is_refused(unet_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fold 1 is asked for; these data have no folds"):
        plan_run(unet_recipe.with_values("data.fold", 1), tmp_path)
