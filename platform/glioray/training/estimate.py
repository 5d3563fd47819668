"""What a run would take, from a short trial of it on this machine: seconds, memory, disk; refused where it cannot fit.

The trial is the loop itself, stopped after some updates, so that augmentation, precision and clean-up are in it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.data.stream_size import WORKER_BYTES, train_bytes
from glioray.errors import ClusterError
from glioray.pages import duration
from glioray.recipe import Recipe
from glioray.remote import is_remote
from glioray.training.checkpoints import checkpoints
from glioray.training.epoch import Batch
from glioray.training.loop import fit
from glioray.training.worker import LocalWorker, batch_size_per_worker

TRIAL_S, FEWEST_UPDATES = 10.0, 3  # a side; the first update sets things up
DIFFERENT = 8  # batches of the trial, over and over
RAY_BYTES = 2_500_000_000  # head, controller, board and data: about ten processes, measured
KEPT_CHECKPOINTS = 4  # the best, the last two, and one that is being written


@dataclass(frozen=True)
class Estimate:
    """Of one run; memory is of one worker, with its share of the train side where it holds that itself."""

    update_s: float
    epoch_s: float
    run_s: float
    worker_bytes: int
    train_bytes: int
    is_in_memory: bool
    checkpoint_bytes: int

    def facts(self, recipe: Recipe) -> dict[str, str]:
        """For a person, in order."""
        place = "the workers' memory" if self.is_in_memory else "Ray's object store, or from the shards"
        return {
            "update": f"{self.update_s:.2f} s, {recipe.budget.batch_size / self.update_s:,.0f} images/s",
            "epoch": f"{self.epoch_s:,.0f} s, validation included",
            "run": f"{duration(self.run_s)} at most, {recipe.budget.epochs} epochs",
            "memory": f"{recipe.scaling.num_workers} x {_gb(self.worker_bytes)} a worker, {_gb(RAY_BYTES)} for Ray",
            "train side": f"{_gb(self.train_bytes)}, from {place}",
            "disk": f"{_gb(KEPT_CHECKPOINTS * self.checkpoint_bytes)}, {_gb(self.checkpoint_bytes)} a checkpoint",
        }


def estimate(recipe: Recipe, data: PreparedDataset) -> Estimate:
    """Tries the recipe for some seconds; its workers are taken to share this machine's cores.

    Raises:
        ClusterError: it is for a GPU, and this machine has none.
    """
    if recipe.scaling.use_gpu and not torch.cuda.is_available():
        raise ClusterError(
            "scaling.use_gpu is true, this machine has no GPU to try: run this as a job on one that has "
            "(`ray job submit ... python jobs/plan.py`), or set scaling.use_gpu=false"
        )
    num_workers, batch_size = recipe.scaling.num_workers, batch_size_per_worker(recipe)
    once = recipe.with_values("budget.epochs", 1).with_values("optimizer.freeze_epochs", 0)
    with tempfile.TemporaryDirectory() as folder, _threads(len(os.sched_getaffinity(0)) // num_workers):
        device = torch.device("cuda" if recipe.scaling.use_gpu else "cpu")
        trial = _Trial(data, Path(folder), recipe.seed, device, world_size=num_workers, rows=DIFFERENT * batch_size)
        fit(once, data, trial)
        checkpoint_bytes = sum(file.stat().st_size for file in checkpoints(trial.folder)[-1].iterdir())
    updates = data.manifest.sides["train"].rows // num_workers // batch_size
    of_val = math.ceil(data.manifest.sides["val"].rows / num_workers / batch_size)
    epoch_s = updates * trial.updates.seconds + of_val * trial.validation.seconds
    side_bytes = train_bytes(data)
    is_in_memory = side_bytes <= num_workers * WORKER_BYTES
    return Estimate(
        update_s=trial.updates.seconds,
        epoch_s=epoch_s,
        run_s=epoch_s * recipe.budget.epochs,
        worker_bytes=_peak_bytes(recipe) + (side_bytes // num_workers if is_in_memory else 0),
        train_bytes=side_bytes,
        is_in_memory=is_in_memory,
        checkpoint_bytes=checkpoint_bytes,
    )


def require_room(found: Estimate, recipe: Recipe, runs: str, machines: int = 1) -> None:
    """Refuses what cannot fit machines like this one.

    Args:
        found: of the recipe.
        recipe: what is asked.
        runs: path or address where the checkpoints go.
        machines: over how many the workers spread evenly.

    Raises:
        ClusterError: memory or disk is too small; the text says which setting to lower.
    """
    here = math.ceil(recipe.scaling.num_workers / machines)
    needed, there = here * found.worker_bytes + RAY_BYTES, psutil.virtual_memory().total
    if needed > there and not recipe.scaling.use_gpu:
        raise ClusterError(
            f"{here} workers of {_gb(found.worker_bytes)} and Ray need {_gb(needed)} of memory, this machine has "
            f"{_gb(there)}: lower budget.batch_size, raise budget.accumulate (smaller portions), or lower "
            "scaling.num_workers"
        )
    if is_remote(runs):
        return
    needed, there = KEPT_CHECKPOINTS * found.checkpoint_bytes, shutil.disk_usage(_existing(Path(runs))).free
    if needed > there:
        raise ClusterError(
            f"{runs}: checkpoints need {_gb(needed)} ({KEPT_CHECKPOINTS} of {_gb(found.checkpoint_bytes)}), "
            f"{_gb(there)} are free: choose another --runs, or a smaller model"
        )


class _Clock:
    """Seconds between one batch and the next, without the first, which sets things up."""

    def __init__(self) -> None:
        self._found: list[float] = []

    @property
    def seconds(self) -> float:
        return statistics.median(self._found)

    def time(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """As many as fill the time of a trial."""
        started_at = shown_at = time.perf_counter()
        for number, batch in enumerate(batches):
            yield batch
            now = time.perf_counter()
            if number:
                self._found.append(now - shown_at)
            shown_at = now
            if number >= FEWEST_UPDATES and now - started_at > TRIAL_S:
                return


@dataclass
class _Trial(LocalWorker):
    """A local worker with the first rows of each side, over and over, until the clock has seen enough."""

    updates: _Clock = field(default_factory=_Clock)
    validation: _Clock = field(default_factory=_Clock)
    rows: int = 0

    def __post_init__(self) -> None:
        self._rows = dict(next(iterate_batches(self.data.folder, self.data.manifest, "train", self.rows)))

    @property
    def train_rows(self) -> int:
        """The share of a worker, as if there were all."""
        return self.data.manifest.sides["train"].rows // self.world_size

    def train_batches(self, epoch: int, batch_size: int, foreground_share: float | None = None) -> Iterator[Batch]:
        """Other orders of the same rows."""
        orders = (super(_Trial, self).train_batches(epoch + n, batch_size, foreground_share) for n in itertools.count())
        return self.updates.time(itertools.chain.from_iterable(orders))

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """The same batch; the last one of the side could be smaller."""
        first = next(super().validation_batches(batch_size))
        return self.validation.time(itertools.repeat(first))


def _peak_bytes(recipe: Recipe) -> int:
    """The most that this process has held, as a worker will, but for its rows; of a GPU what torch has held there."""
    if recipe.scaling.use_gpu:
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Torch with so many threads, at least one."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, number))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return folder if folder.exists() else _existing(folder.parent)


def _gb(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.2g} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.2g} MB"
