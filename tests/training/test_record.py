from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from glioray.data.prepared import PreparedDataset
from glioray.errors import RecipeError
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.training.checkpoints import checkpoints
from glioray.training.loop import fit
from glioray.training.record import CURVES, open_run, write_bundle, write_curves, write_metrics
from glioray.training.state import MODEL, STATE, TRAINED, read_history
from glioray.training.worker import LocalWorker


@pytest.mark.parametrize(("path", "value"), [("seed", 7), ("scaling.num_workers", 2)])
def test_a_run_folder_of_another_recipe_is_refused(
    tmp_path: Path, unet_recipe: Recipe, volumes: PreparedDataset, path: str, value: int
) -> None:
    open_run(tmp_path, unet_recipe, volumes)
    open_run(tmp_path, unet_recipe.with_values("scaling.cpus_per_worker", 0.5), volumes)
    with pytest.raises(RecipeError, match="a run of another recipe"):
        open_run(tmp_path, unet_recipe.with_values(path, value), volumes)


def test_a_run_is_not_gone_on_with_on_another_split(
    tmp_path: Path, unet_recipe: Recipe, volumes: PreparedDataset, slices: PreparedDataset
) -> None:
    open_run(tmp_path, unet_recipe, volumes)
    with pytest.raises(RecipeError, match="another split of it"):
        open_run(tmp_path, unet_recipe, slices)


def test_history_is_one_line_an_epoch_and_a_picture(tmp_path: Path) -> None:
    history = [{"epoch": e, "loss": 1 / e, "val/loss": 1 / e, "score": 0.1 * e, "best_epoch": e} for e in (1, 2, 3)]
    write_metrics(tmp_path, history)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == [row["loss"] for row in history]
    write_curves(tmp_path, history)
    assert (tmp_path / CURVES).read_bytes().startswith(b"\x89PNG")


def test_the_bundle_of_a_checkpoint_builds_and_names_its_epoch(
    tmp_path: Path, unet_recipe: Recipe, volumes: PreparedDataset
) -> None:
    recipe = unet_recipe.with_values("budget.epochs", 1)
    fit(recipe, volumes, LocalWorker(volumes, tmp_path, recipe.seed))
    checkpoint = checkpoints(tmp_path)[-1]
    bundle = ModelBundle.load(write_bundle(tmp_path, recipe, volumes, checkpoint, len(read_history(checkpoint))))
    assert bundle.config.epoch == 1
    assert bundle.config.data_fingerprint == volumes.manifest.fingerprint
    bundle.build()


def test_a_bundle_has_the_average_and_the_clean_up_of_its_epoch(
    tmp_path: Path, unet_recipe: Recipe, volumes: PreparedDataset
) -> None:
    recipe = unet_recipe.with_values("answer.smallest_part_px", [500]).with_values("optimizer.ema_decay", 0.9)
    fit(recipe, volumes, LocalWorker(volumes, tmp_path, recipe.seed))
    checkpoint = checkpoints(tmp_path)[-1]
    history = read_history(checkpoint)
    history[1]["val/smallest_part_px"] = 500.0
    (checkpoint / STATE).write_text(json.dumps({"history": history}))
    bundle = ModelBundle.load(write_bundle(tmp_path, recipe, volumes, checkpoint, epoch=2))
    assert bundle.config.smallest_part_px == 500
    answering, trained = load_file(checkpoint / MODEL), load_file(checkpoint / TRAINED)
    assert all(torch.equal(bundle.weights[name], answering[name]) for name in answering)
    assert not all(torch.equal(bundle.weights[name], trained[name]) for name in trained)
