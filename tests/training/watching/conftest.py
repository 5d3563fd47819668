"""A run that is about to begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.recipe import Recipe
from glioray.training.plan import Plan, plan_run


@pytest.fixture
def plan(unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path) -> Plan:
    return plan_run(unet_recipe, tmp_path, "run")
