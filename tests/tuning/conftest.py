"""A space over the smallest U-Net, and its study in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.recipe import Recipe
from glioray.tuning.plan import SweepPlan, opened, plan_sweep
from glioray.tuning.space import SearchSpace
from glioray.tuning.study import Study

SPACE: dict[str, Any] = {
    "model.base_filters": {"kind": "choice", "options": [2, 4]},
    "optimizer.learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 1e-1},
}
SpaceOf = Callable[..., SearchSpace]
StudyOf = Callable[[SearchSpace], Study]


@pytest.fixture
def space_of(unet_recipe: Recipe) -> SpaceOf:
    """A space; settings of `search:` by name, with `__` for a dot."""

    def make(space: dict[str, Any] = SPACE, **search: Any) -> SearchSpace:
        return SearchSpace.from_values(unet_recipe, {"trials": 6, **search, "space": space}, "x.yaml")

    return make


@pytest.fixture
def study_of(tmp_path: Path) -> StudyOf:
    """The study of a space; twice the same one."""
    return lambda space: Study(space, "study", f"sqlite:///{tmp_path / 'study.db'}")


@pytest.fixture
def plan(space_of: SpaceOf, volumes: PreparedDataset, tmp_path: Path) -> SweepPlan:
    """A sweep whose folder is there."""
    plan = plan_sweep(space_of(), tmp_path / "sweeps", "sweep")
    with opened(plan):
        return plan
