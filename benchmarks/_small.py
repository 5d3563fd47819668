"""Small models of the shipped recipes, trained on a phantom for an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.recipe import Recipe
from glioray.training.local import train
from glioray.training.plan import Plan, plan_run

SPACES = Path(__file__).parents[1] / "search_spaces"


def small_run(name: str, phantom: Path, image_size: int, folder: Path, settings: Mapping[str, Any]) -> Plan:
    """The complete run `folder/run` of a recipe of search_spaces/, on the data `folder/data`."""
    recipe = Recipe.from_yaml(SPACES / f"{name}.yaml")
    data = prepare("phantom", phantom, folder / "data", PrepareOptions(task=recipe.task, image_size=image_size))
    small = {"data.image_size": image_size, "budget.epochs": 1, "schedule.warmup_epochs": 0}
    plan = plan_run(recipe.with_settings({"data.path": str(data.folder), **small, **settings}), folder, "run")
    train(plan)
    return plan
