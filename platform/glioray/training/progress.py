"""Tells the worker's person where the run is, not more often than is worth it; and how long it waited for data."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator

from torch import Tensor

from glioray.data.prepared import PreparedDataset
from glioray.recipe import Recipe
from glioray.training.epoch import Batch
from glioray.training.news import Metrics, Progress
from glioray.training.worker import Worker

SHOW_EVERY_S = 0.5


class Timed:
    """Batches, and the seconds that were waited for them. A GPU may work meanwhile: this is what it waits at most."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.wait_s = 0.0
        self._batches = iter(batches)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        started_at = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.wait_s += time.perf_counter() - started_at


class Reporter:
    """Of one epoch: shows its updates and its end, and how long the first update took."""

    def __init__(self, recipe: Recipe, data: PreparedDataset, worker: Worker, epoch: int) -> None:
        self.first_step_s = math.nan  # the wait for data and, where a network is compiled, for that
        self._worker, self._epoch, self._epochs = worker, epoch, recipe.budget.epochs
        self._rows_of_epoch = data.manifest.sides["train"].rows
        self._started_at = self._shown_at = time.perf_counter()

    def step(self, rows: int, loss: Tensor) -> None:
        """Shows an update, after so many rows of this worker."""
        now = time.perf_counter()
        if math.isnan(self.first_step_s):
            self.first_step_s = now - self._started_at
        if now - self._shown_at > SHOW_EVERY_S:  # to read the loss makes a GPU wait
            self._show(rows * self._worker.world_size, float(loss))
            self._shown_at = time.perf_counter()

    def end(self, metrics: Metrics) -> None:
        """Shows what the epoch came to."""
        self._show(self._rows_of_epoch, metrics["loss"], metrics)

    def _show(self, rows: int, loss: float, metrics: Metrics | None = None) -> None:
        self._worker.show(Progress(self._epoch, self._epochs, rows, self._rows_of_epoch, loss, metrics))
