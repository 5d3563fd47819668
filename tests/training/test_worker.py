from __future__ import annotations

from pathlib import Path

import pytest
import torch

from glioray.data.prepared import PreparedDataset
from glioray.recipe import Recipe
from glioray.training.checkpoints import checkpoint_name, checkpoints, seal
from glioray.training.worker import LocalWorker, batch_size_per_worker, enriched


@pytest.fixture
def worker(volumes: PreparedDataset, tmp_path: Path) -> LocalWorker:
    return LocalWorker(volumes, tmp_path, seed=0)


def pixels(worker: LocalWorker, epoch: int, batch_size: int) -> torch.Tensor:
    return torch.cat([batch["image"] for batch in worker.train_batches(epoch, batch_size)])


def test_every_epoch_has_another_order_of_the_same_rows(worker: LocalWorker) -> None:
    one, two = pixels(worker, 1, 4), pixels(worker, 2, 4)
    assert not torch.equal(one, two)
    assert torch.equal(one.sum(0, dtype=torch.int64), two.sum(0, dtype=torch.int64))


def test_an_epoch_run_again_has_the_same_order(worker: LocalWorker) -> None:
    assert torch.equal(pixels(worker, 3, 4), pixels(worker, 3, 4))


def test_a_smaller_last_batch_is_dropped(worker: LocalWorker) -> None:
    assert len(pixels(worker, 1, 5)) == 5  # of 8


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    seal(folder)
    return folder


def test_the_best_and_the_last_two_checkpoints_are_kept(worker: LocalWorker, source: Path, tmp_path: Path) -> None:
    for epoch, best in ((1, 1), (2, 2), (3, 2), (4, 2), (5, 2)):
        worker.report({"best_epoch": best}, epoch, source)
    assert [path.name for path in checkpoints(tmp_path)] == [checkpoint_name(epoch) for epoch in (2, 4, 5)]


def test_it_resumes_from_the_last_checkpoint_not_the_best(worker: LocalWorker, source: Path, tmp_path: Path) -> None:
    worker.report({"best_epoch": 1}, 1, source)
    worker.report({"best_epoch": 1}, 2, source)
    with worker.resume_from() as newest:
        assert newest == tmp_path / checkpoint_name(2)


def test_a_fresh_run_resumes_from_nothing(worker: LocalWorker) -> None:
    with worker.resume_from() as newest:
        assert newest is None


def shown(order: torch.Tensor, is_foreground: torch.Tensor) -> int:
    return int(is_foreground[order].sum())


def test_an_enriched_epoch_has_the_share_and_as_many_rows() -> None:
    is_foreground = torch.arange(100) < 10
    order = enriched(torch.randperm(100), is_foreground, 0.5, torch.Generator().manual_seed(0))
    assert len(order) == 100
    assert shown(order, is_foreground) == 50
    assert torch.bincount(order, minlength=100)[:10].tolist() == [5] * 10
    assert torch.bincount(order, minlength=100)[10:].max() == 1


@pytest.mark.parametrize("foreground", [0, 60])
def test_an_epoch_without_labels_or_with_enough_of_them_stays_as_it_is(foreground: int) -> None:
    order = torch.randperm(100)
    kept = enriched(order, torch.arange(100) < foreground, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(kept, order)


def test_the_worker_takes_the_share(worker: LocalWorker) -> None:
    def share(foreground_share: float | None) -> float:
        batches = list(worker.train_batches(1, 4, foreground_share))
        masks = torch.cat([batch["mask"] for batch in batches])
        return float(masks.flatten(1).any(dim=1).float().mean())

    assert share(None) < 0.75 == share(0.75)


def test_the_batch_of_a_recipe_is_shared_by_the_workers(unet_recipe: Recipe) -> None:
    assert batch_size_per_worker(unet_recipe.with_values("scaling.num_workers", 2)) == 2


@pytest.mark.parametrize(("world_size", "each"), [(1, 12), (2, 6), (3, 4), (4, 2)])
def test_the_batch_is_kept_with_fewer_workers_as_far_as_whole_portions_go(
    unet_recipe: Recipe, world_size: int, each: int
) -> None:
    recipe = unet_recipe.with_values("budget.batch_size", 12).with_values("scaling.num_workers", 3)
    assert batch_size_per_worker(recipe.with_values("budget.accumulate", 2), world_size) == each
