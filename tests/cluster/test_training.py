"""Ray Train for real: what only several processes, DDP and Ray's controller can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glioray.cluster import connect
from glioray.data.prepared import PreparedDataset
from glioray.errors import ClusterError, ModelError
from glioray.recipe import Recipe
from glioray.registry.bundle import ModelBundle
from glioray.training.checkpoints import Say, say_to_log
from glioray.training.plan import plan_run
from glioray.training.worker import Progress, ignore_progress

if TYPE_CHECKING:
    from glioray.training.finished import Run

Watch = Callable[[Progress], None]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with connect(dashboard=True):
        yield


def train(
    recipe: Recipe, runs: Path, name: str = "run", on_progress: Watch = ignore_progress, say: Say = say_to_log
) -> Run:
    from glioray.training import run  # imports Ray, which must find its environment set

    return run.train(plan_run(recipe, runs, name), on_progress, say)


@pytest.fixture
def recipe(unet_recipe: Recipe) -> Recipe:
    return unet_recipe.with_values("scaling.cpus_per_worker", 0.5).with_values("budget.epochs", 2)


def test_two_workers_leave_a_run_that_explains_itself(recipe: Recipe, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run = train(recipe.with_values("scaling.num_workers", 2), tmp_path, on_progress=seen.append)
    folder = run.bundle.parent
    assert [row["rows"] for row in run.history] == [8, 8]
    assert all(row["store_peak_mb"] > 0 and row["spilled_mb"] == 0 for row in run.history)
    assert [progress.epoch for progress in seen if progress.metrics] == [1, 2]
    for name in ("recipe.yaml", "metrics.csv", "curves.png", "bundle/config.json"):
        assert (folder / name).exists(), name


def test_the_same_command_finds_a_complete_run(recipe: Recipe, tmp_path: Path) -> None:
    assert not plan_run(recipe, tmp_path, "run").is_complete
    train(recipe, tmp_path)
    assert plan_run(recipe, tmp_path, "run").is_complete


def test_one_worker_repeats_itself_to_the_last_digit(recipe: Recipe, tmp_path: Path) -> None:
    one, two = train(recipe, tmp_path, "one"), train(recipe, tmp_path, "two")
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


def test_of_equal_scores_the_earliest_epoch_becomes_the_bundle(recipe: Recipe, tmp_path: Path) -> None:
    still = recipe.with_values("optimizer.learning_rate", 1e-12).with_values("budget.epochs", 3)
    run = train(still, tmp_path)
    assert {row["best_epoch"] for row in run.history} == {1}
    assert ModelBundle.load(run.bundle).config.epoch == 1


def test_more_workers_than_cores_are_refused_at_once(recipe: Recipe, tmp_path: Path) -> None:
    greedy = recipe.with_values("scaling.cpus_per_worker", 200)
    with pytest.raises(ClusterError, match="scaling asks for 200 CPU"):
        train(greedy, tmp_path)


def test_validation_over_two_workers_counts_what_one_counts(
    recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    """Untrained weights are the same everywhere, so the sums must be."""
    still = recipe.with_values("optimizer.learning_rate", 1e-12).with_values("budget.epochs", 1)
    still = still.with_values("budget.batch_size", 8).with_values("loss.dice_weight", 0)  # Dice is of a batch
    alone = train(still, tmp_path, "alone").history[0]
    together = train(still.with_values("scaling.num_workers", 2), tmp_path, "together").history[0]
    counted = [name for name in alone if name.startswith("val/")]
    expected = [alone[name] for name in counted]
    assert [together[name] for name in counted] == pytest.approx(expected, rel=1e-5, nan_ok=True)
