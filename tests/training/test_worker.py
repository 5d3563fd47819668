from __future__ import annotations

from pathlib import Path

import pytest
import torch

from glioray.data.prepared import PreparedDataset
from glioray.training.worker import LocalWorker, checkpoint_name, checkpoints


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


def test_only_the_best_and_the_last_checkpoint_are_kept(worker: LocalWorker, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for epoch, best in ((1, 1), (2, 2), (3, 2), (4, 2)):
        worker.report({"best_epoch": best}, epoch, source)
    assert [path.name for path in checkpoints(tmp_path)] == [checkpoint_name(2), checkpoint_name(4)]


def test_it_resumes_from_the_last_checkpoint_not_the_best(worker: LocalWorker, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    worker.report({"best_epoch": 1}, 1, source)
    worker.report({"best_epoch": 1}, 2, source)
    with worker.resume_from() as newest:
        assert newest == tmp_path / checkpoint_name(2)


def test_a_fresh_run_resumes_from_nothing(worker: LocalWorker) -> None:
    with worker.resume_from() as newest:
        assert newest is None
