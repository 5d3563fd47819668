"""Ray Train for real: what only several processes, DDP and Ray's controller can show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glioray.errors import ClusterError, ModelError
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.training.checkpoints import Say, say_to_log
from glioray.training.news import Progress, ignore_progress
from glioray.training.plan import plan_run

if TYPE_CHECKING:
    from glioray.training.finished import Run

Watch = Callable[[Progress], None]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.usefixtures("shared_ray")]


def train(
    recipe: Recipe, runs: Path, name: str = "run", on_progress: Watch = ignore_progress, say: Say = say_to_log
) -> Run:
    from glioray.training import run  # imports Ray, which must find its environment set

    return run.train(plan_run(recipe, runs, name), on_progress, say)


@pytest.fixture(scope="module")
def recipe(unet_recipe: Recipe) -> Recipe:
    quick = unet_recipe.with_values("loss.dice_weight", 0)  # for which each worker would import MONAI
    return quick.with_values("scaling.cpus_per_worker", 0.5).with_values("budget.epochs", 2)


@pytest.fixture(scope="module")
def still(recipe: Recipe) -> Recipe:
    """Weights that never move, so that every number of workers must count the same."""
    assert recipe.values()["loss"]["dice_weight"] == 0  # Dice is of a batch
    return recipe.with_values("optimizer.learning_rate", 1e-12).with_values("budget.batch_size", 8)


@pytest.fixture(scope="module")
def alone(shared_ray: None, still: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """By one worker."""
    return train(still.with_values("budget.epochs", 3), tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def seen() -> list[Progress]:
    """What the run of two workers showed."""
    return []


@pytest.fixture(scope="module")
def together(shared_ray: None, still: Recipe, seen: list[Progress], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """By two workers."""
    two = still.with_values("scaling.num_workers", 2)
    return train(two, tmp_path_factory.mktemp("together"), on_progress=seen.append)


def test_two_workers_leave_a_run_that_explains_itself(together: Run, seen: list[Progress]) -> None:
    folder = together.bundle.parent
    assert [row["rows"] for row in together.history] == [8, 8]
    assert all(row["store_peak_mb"] > 0 and row["spilled_mb"] == 0 for row in together.history)
    assert [progress.epoch for progress in seen if progress.metrics] == [1, 2]
    for name in ("recipe.yaml", "metrics.csv", "curves.png", "bundle/config.json"):
        assert (folder / name).exists(), name


def test_one_worker_repeats_itself_and_the_same_command_finds_a_complete_run(recipe: Recipe, tmp_path: Path) -> None:
    """To the last digit."""
    assert not plan_run(recipe, tmp_path, "one").is_complete
    one = train(recipe, tmp_path, "one")
    assert plan_run(recipe, tmp_path, "one").is_complete
    two = train(recipe, tmp_path, "two")
    assert [row["loss"] for row in one.history] == [row["loss"] for row in two.history]


def test_what_a_worker_refuses_reaches_the_user_in_its_own_words(recipe: Recipe, tmp_path: Path) -> None:
    wild = recipe.with_values("optimizer.name", "sgd").with_values("optimizer.learning_rate", 1.0)
    wild = wild.with_values("loss.bce_weight", 100).with_values("loss.dice_weight", 100)
    wild = wild.with_values("optimizer.weight_decay", 1).with_values("optimizer.decay_all", True)
    wild = wild.with_values("budget.epochs", 200).with_values("scaling.num_workers", 2)
    lines: list[str] = []
    with pytest.raises(ModelError, match="lower optimizer.learning_rate"):
        train(wild.with_values("budget.batch_size", 2), tmp_path, say=lines.append)
    assert lines == []  # it was not tried again


def test_of_equal_scores_the_earliest_epoch_becomes_the_bundle(alone: Run) -> None:
    assert len(alone.history) == 3
    assert {row["best_epoch"] for row in alone.history} == {1}
    assert ModelBundle.load(alone.bundle).config.epoch == 1


def test_more_workers_than_cores_are_refused_at_once(recipe: Recipe, tmp_path: Path) -> None:
    greedy = recipe.with_values("scaling.cpus_per_worker", 200)
    with pytest.raises(ClusterError, match="scaling asks for 200 CPU"):
        train(greedy, tmp_path)


def test_validation_over_two_workers_counts_what_one_counts(alone: Run, together: Run) -> None:
    """Untrained weights are the same everywhere, so the sums must be."""
    one, two = alone.history[0], together.history[0]
    counted = [name for name in one if name.startswith("val/")]
    assert [two[name] for name in counted] == pytest.approx([one[name] for name in counted], rel=1e-5, nan_ok=True)
