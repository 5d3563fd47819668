"""What differs between the places where the loop runs, and the worker that needs no Ray.

The loop never asks which worker it has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from glioray.data.prepared import PreparedDataset, iterate_batches, load_side
from glioray.recipe import Recipe
from glioray.training.checkpoints import Say, keep, newest_sound, say_to_log
from glioray.training.epoch import Batch
from glioray.training.news import Metrics, Progress, ignore_progress


class Worker(Protocol):
    """One of the processes that train together."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def train_rows(self) -> int:
        """How many rows of the train side are this worker's share."""

    def train_batches(self, epoch: int, batch_size: int, foreground_share: float | None) -> Iterator[Batch]:
        """This worker's share of the train side, in the order of this epoch; a smaller last batch is dropped."""

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """This worker's part of the val side; all parts together are each row once."""

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model on the device, its gradients averaged over the workers."""

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise sum over all workers; all must call it."""

    def show(self, progress: Progress) -> None:
        """Tells a person; may drop what comes too fast."""

    def measured(self) -> Metrics:
        """What the place where the loop runs says of the epoch that ends, beside what the loop measures itself."""

    def report(self, metrics: Metrics, epoch: int, checkpoint: Path | None) -> None:
        """Keeps the best and the last two checkpoints; all workers must call it, only rank 0 has one."""

    def resume_from(self) -> contextlib.AbstractContextManager[Path | None]:
        """The newest checkpoint that is sound as a folder, the same on every worker; or none."""


@dataclass
class LocalWorker:
    """One process without Ray, for tests, notebooks and benchmarks; the train side is held in memory."""

    data: PreparedDataset
    folder: Path
    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    on_progress: Callable[[Progress], None] = ignore_progress
    say: Say = say_to_log
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        self._rows = load_side(self.data.folder, self.data.manifest, "train")

    @property
    def train_rows(self) -> int:
        """All."""
        return len(self._rows["image"])

    def train_batches(self, epoch: int, batch_size: int, foreground_share: float | None = None) -> Iterator[Batch]:
        """A new order of all rows each epoch, decided by (seed, epoch)."""
        seed = epoch_seed(self.seed, epoch, self.rank)
        return shuffled_batches(self._rows, seed, batch_size, self.device, foreground_share)

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows, in the order of the shards."""
        for batch in iterate_batches(self.data.folder, self.data.manifest, "val", batch_size):
            yield {name: values.to(self.device) for name, values in batch.items()}

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model on the device."""
        return model.to(self.device)

    def sum(self, values: Tensor) -> Tensor:
        """There is nobody to add."""
        return values

    def show(self, progress: Progress) -> None:
        """Hands it on."""
        self.on_progress(progress)

    def measured(self) -> Metrics:
        """There is no Ray to ask."""
        return {}

    def report(self, metrics: Metrics, epoch: int, checkpoint: Path | None) -> None:
        """Copies the checkpoint beside the others; see `keep`."""
        assert checkpoint is not None
        keep(checkpoint, self.folder, int(metrics["best_epoch"]), epoch)

    @contextlib.contextmanager
    def resume_from(self) -> Iterator[Path | None]:
        """The checkpoint of the highest epoch that is sound."""
        yield newest_sound(self.folder, self.say)


def shuffled_batches(
    rows: Mapping[str, Tensor],
    seed: int,
    batch_size: int,
    device: torch.device,
    foreground_share: float | None = None,
) -> Iterator[Batch]:
    """Rows in memory as the batches of one permutation; a smaller last batch is dropped.

    Args:
        rows: all of them.
        seed: of the order.
        batch_size: rows of a batch.
        device: where the batches go.
        foreground_share: at least this part of the epoch shows a label: see `enriched`.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows["image"]), generator=generator)
    if foreground_share is not None:
        order = enriched(order, rows["mask"].bool().flatten(1).any(dim=1), foreground_share, generator)
    for start in range(0, len(order) - batch_size + 1, batch_size):
        index = order[start : start + batch_size]
        yield {name: values[index].to(device) for name, values in rows.items()}


def enriched(order: Tensor, is_foreground: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """As many rows in a new order, of which a share shows a label.

    Rows with a label are repeated as evenly as can be, and as many of the others are left out, other ones each epoch.
    An order that has the share already stays as it is, and so does one without any label.
    """
    shown, empty = order[is_foreground[order]], order[~is_foreground[order]]
    wanted = round(share * len(order))
    if len(shown) >= wanted or len(shown) == 0:
        return order
    repeated = shown.repeat(-(-wanted // len(shown)))[:wanted]
    mixed = torch.cat([repeated, empty[: len(order) - wanted]])
    return mixed[torch.randperm(len(mixed), generator=generator)]


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """Another random stream for every epoch and worker, the same whenever the epoch is run again."""
    return ((seed * 1_000_003 + epoch) * 1_009 + rank) % 2**31


def batch_size_per_worker(recipe: Recipe, world_size: int | None = None) -> int:
    """Images of one update on one worker, in whole portions; the recipe's batch is that of all together.

    Args:
        recipe: what is asked.
        world_size: how many train together just now; by default as many as the recipe asks for.
    """
    portions = (world_size or recipe.scaling.num_workers) * recipe.budget.accumulate
    return recipe.budget.batch_size // portions * recipe.budget.accumulate
