from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.errors import ClusterError, RecipeError
from glioray.tuning.plan import SweepPlan, opened, plan_sweep
from glioray.tuning.space import SearchSpace


def test_the_same_command_finds_the_same_sweep(
    space_of: Callable[..., SearchSpace], volumes: PreparedDataset, tmp_path: Path
) -> None:
    first, again = plan_sweep(space_of(), tmp_path), plan_sweep(space_of(trials=50), tmp_path)
    assert first.folder == again.folder
    assert first.storage == f"sqlite:///{first.folder / 'study.db'}"


def test_what_is_searched_can_be_read_back(plan: SweepPlan) -> None:
    found = SearchSpace.from_yaml(plan.folder / "search.yaml")
    assert found.fingerprint == plan.space.fingerprint


def test_an_end_that_the_data_do_not_allow_is_refused_before_the_start(
    space_of: Callable[..., SearchSpace], volumes: PreparedDataset, tmp_path: Path
) -> None:
    deep = space_of({"model.depth": {"kind": "int", "low": 2, "high": 6}})
    with pytest.raises(RecipeError, match=r"search.space.model.depth: 6 is refused: .*32 px"):
        plan_sweep(deep, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_resume_never_begins(space_of: Callable[..., SearchSpace], plan: SweepPlan) -> None:
    sweeps = plan.folder.parent
    assert plan_sweep(space_of(), sweeps, "sweep", must_be_there=True).folder == plan.folder
    with pytest.raises(RecipeError, match="holds no sweep.*there is: sweep. Name one by --name"):
        plan_sweep(space_of(), sweeps, "swep", must_be_there=True)


def test_two_searches_do_not_share_a_sweep(plan: SweepPlan) -> None:
    with opened(plan), pytest.raises(ClusterError, match="another `glioray tune` works on this sweep"), opened(plan):
        pass


def test_a_sweep_at_an_address_is_refused(space_of: Callable[..., SearchSpace], volumes: PreparedDataset) -> None:
    with pytest.raises(ClusterError, match="in a folder that all nodes share, not at an address"):
        plan_sweep(space_of(), "s3://bucket/sweeps")
