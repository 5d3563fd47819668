"""A worker of Ray Train: data from Ray Data, gradients by DDP, checkpoints in the run's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train.collective import broadcast_from_rank_zero
from torch import Tensor, nn

from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.data.stream import Feed
from glioray.errors import ClusterError
from glioray.registry.run_folder import RunFolder
from glioray.training.checkpoints import checkpoint_name, damage, epoch_of, keep, newest_sound
from glioray.training.epoch import Batch
from glioray.training.news import Metrics, Progress
from glioray.training.record import METRICS, write_metrics
from glioray.training.state import read_history
from glioray.training.store_use import StoreUse
from glioray.training.worker import epoch_seed, shuffled_batches


class RayWorker:
    """See `Worker`; what it has to tell goes to a board, see `board.Board`."""

    def __init__(self, data: PreparedDataset, seed: int, feed: Feed, place: RunFolder, board: Any) -> None:
        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world_size: int = context.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()
        self._data, self._seed, self._feed, self._board = data, seed, feed, board
        self._place, self._folder = place, place.path
        self._rows: dict[str, Tensor] = {}
        self._store_use = StoreUse()

    @property
    def train_rows(self) -> int:
        """An equal share: Ray Data drops what is over."""
        return self._data.manifest.sides["train"].rows // self.world_size

    def train_batches(self, epoch: int, batch_size: int, foreground_share: float | None) -> Iterator[Batch]:
        """This worker's share, in an order that (seed, epoch, rank) decide."""
        seed = epoch_seed(self._seed, epoch, self.rank)
        if self._feed.place == "memory":
            self._rows = self._rows or self._pull_rows()
            yield from shuffled_batches(self._rows, seed, batch_size, self.device, foreground_share)
            return
        for batch in ray.train.get_dataset_shard("train").iter_torch_batches(
            batch_size=batch_size,
            drop_last=True,
            local_shuffle_buffer_size=self._feed.shuffle_rows,
            local_shuffle_seed=seed,
            prefetch_batches=2,
        ):
            yield _typed(batch)

    def _pull_rows(self) -> dict[str, Tensor]:
        """The whole share, once; Ray Data has made the shares equal."""
        batches = ray.train.get_dataset_shard("train").iter_torch_batches(batch_size=256, device="cpu")
        parts = [_typed(batch) for batch in batches]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Every n-th row group: Ray's equal split would drop rows."""
        part = (self.rank, self.world_size)
        for batch in iterate_batches(self._data.folder, self._data.manifest, "val", batch_size, part):
            yield {name: values.to(self.device) for name, values in batch.items()}

    def wrap(self, model: nn.Module) -> nn.Module:
        """DDP where there are several workers."""
        wrapped: nn.Module = ray.train.torch.prepare_model(model)
        return wrapped

    def sum(self, values: Tensor) -> Tensor:
        """All-reduce."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)
        return values

    def show(self, progress: Progress) -> None:
        """Posts to the board, without waiting for it."""
        if self.rank == 0:
            self._board.post.remote(progress)
            self._store_use.sample()

    def measured(self) -> Metrics:
        """What the run takes of the object store; the history that is kept is that of rank 0."""
        return self._store_use.of_epoch() if self.rank == 0 else {}

    def say(self, text: str) -> None:
        """A line for the person, from rank 0."""
        if self.rank == 0:
            self._board.tell.remote(text)

    def report(self, metrics: Metrics, epoch: int, checkpoint: Path | None) -> None:
        """Keeps the checkpoint, then tells Ray Train that the epoch is done; see `keep`."""
        if checkpoint is not None:
            keep(checkpoint, self._folder, int(metrics["best_epoch"]), epoch)
            write_metrics(self._folder, read_history(self._folder / checkpoint_name(epoch)))
            self._place.send_checkpoints()
            self._place.send_file(METRICS)
        ray.train.report(metrics)

    @contextlib.contextmanager
    def resume_from(self) -> Iterator[Path | None]:
        """Rank 0 chooses among what lies in the run's folder; the others take the same.

        Raises:
            ClusterError: another machine reads the checkpoint otherwise than rank 0.
        """
        newest = self._newest() if self.rank == 0 else None
        name = broadcast_from_rank_zero(newest and newest.name)
        if name is None:
            yield None
            return
        chosen = self._folder / name
        if self.rank:
            self._place.fetch_checkpoints(name)
        trouble = damage(chosen) if self.rank else None
        if trouble:
            raise ClusterError(
                f"{chosen}: sound on the machine of rank 0, but rank {self.rank} finds that {trouble}; give all nodes "
                "the same storage by --runs"
            )
        self.say(f"goes on after epoch {epoch_of(chosen)}, on {self.world_size} worker{'s' * (self.world_size > 1)}")
        yield chosen

    def _newest(self) -> Path | None:
        self._place.fetch_checkpoints()
        newest = newest_sound(self._folder, self.say)
        self._place.send_checkpoints()  # what was set aside is so everywhere
        return newest


def _typed(batch: Batch) -> dict[str, Tensor]:
    """Labels as the loss wants them; shards hold them in 32 bits."""
    return {name: values.long() if name == "label" else values for name, values in batch.items()}
