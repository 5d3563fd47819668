from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from glioray.recipe import Recipe
from glioray.registry.bundle import WEIGHTS, ModelBundle
from glioray.training.local import train
from glioray.training.news import Progress
from glioray.training.plan import plan_run
from glioray.training.record import CURVES, METRICS, read_metrics


def test_a_run_without_ray_leaves_what_a_run_leaves(unet_recipe: Recipe, tmp_path: Path) -> None:
    plan = plan_run(unet_recipe, tmp_path, "run")
    told: list[Progress] = []

    done = train(plan, told.append)

    assert plan.is_complete
    assert {METRICS, CURVES, "recipe.yaml"} <= {path.name for path in plan.folder.iterdir()}
    assert [row["loss"] for row in read_metrics(plan.folder)] == [row["loss"] for row in done.history]
    assert ModelBundle.load(done.bundle).config.epoch == done.history[-1]["best_epoch"]
    assert [progress.epoch for progress in told if progress.metrics] == [1, 2, 3]


def test_a_run_that_went_on_is_the_run_that_was_not_broken_off(unet_recipe: Recipe, tmp_path: Path) -> None:
    plan, other = plan_run(unet_recipe, tmp_path, "broken"), plan_run(unet_recipe, tmp_path, "whole")

    def break_off(progress: Progress) -> None:
        if progress.metrics and progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(plan, break_off)
    broken, whole = train(plan), train(other)

    assert [row["loss"] for row in broken.history] == [row["loss"] for row in whole.history]
    weights, expected = load_file(broken.bundle / WEIGHTS), load_file(whole.bundle / WEIGHTS)
    assert all((weights[name] == expected[name]).all() for name in expected)
