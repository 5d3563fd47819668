"""What every worker runs: read this first.

Plain torch. The worker says where the data come from and where the results go; the loop never asks which one it has.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

import torch

from glioray.data.prepared import PreparedDataset
from glioray.errors import ModelError
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.tasks import _contract as tasks
from glioray.training.epoch import Pass, train_epoch, validate
from glioray.training.plan import batch_size_per_worker
from glioray.training.precision import autocast_type
from glioray.training.schedule import set_learning_rate
from glioray.training.state import TrainState, build_optimizer
from glioray.training.worker import Metrics, Progress, Worker, epoch_seed

SHOW_EVERY_S = 0.5


def fit(recipe: Recipe, data: PreparedDataset, worker: Worker) -> None:
    """Trains from the newest checkpoint, or from nothing, until the budget is spent or patience lost.

    Raises:
        ModelError: the loss is not a number any more.
    """
    settings = _pass(recipe, data, worker)
    state = _start(recipe, data, worker)
    replica = worker.wrap(state.model)
    while not state.is_over(recipe):
        started_at = time.perf_counter()
        metrics = _train(recipe, data, worker, replica, state, settings)
        metrics["train_s"] = time.perf_counter() - started_at
        metrics |= _validate(recipe, worker, state, settings)
        metrics["epoch_s"] = time.perf_counter() - started_at
        row = state.add(metrics)
        with tempfile.TemporaryDirectory() as folder:
            if worker.rank == 0:
                state.save(Path(folder))
            # Every rank must get here: report() waits for all of them.
            worker.report(row, state.epoch, Path(folder) if worker.rank == 0 else None)
        worker.show(_progress(recipe, data, state.epoch, data.manifest.sides["train"].rows, row["loss"], row))


def _pass(recipe: Recipe, data: PreparedDataset, worker: Worker) -> Pass:
    task = tasks.build(data.manifest.contents, recipe.loss, len(data.split.patients))
    dtype = autocast_type(recipe.precision, worker.device)
    clip_norm = recipe.optimizer.clip_norm
    return Pass(task, data.manifest.normalization, worker.device, dtype, recipe.augmentation, clip_norm)


def _start(recipe: Recipe, data: PreparedDataset, worker: Worker) -> TrainState:
    torch.manual_seed(recipe.seed)  # the same weights on every rank
    model = build_network(recipe, data.manifest.contents, data.signature)
    model = model.to(worker.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = TrainState(model, build_optimizer(model, recipe.optimizer))
    with worker.resume_from() as checkpoint:
        if checkpoint is not None:
            state.load(checkpoint)
    return state


def _train(
    recipe: Recipe,
    data: PreparedDataset,
    worker: Worker,
    replica: torch.nn.Module,
    state: TrainState,
    settings: Pass,
) -> Metrics:
    """One epoch of updates; gives the mean loss over all workers and the learning rate."""
    epoch = state.epoch + 1
    rate = set_learning_rate(state.optimizer, recipe, epoch)
    torch.manual_seed(epoch_seed(recipe.seed, epoch, worker.rank))
    batches = worker.train_batches(epoch, batch_size_per_worker(recipe), recipe.data.foreground_share)

    shown_at = time.perf_counter()

    def show(rows: int, loss: torch.Tensor) -> None:
        nonlocal shown_at
        if time.perf_counter() - shown_at > SHOW_EVERY_S:  # to read the loss makes a GPU wait
            worker.show(_progress(recipe, data, epoch, rows * worker.world_size, float(loss)))
            shown_at = time.perf_counter()

    loss, rows = worker.sum(train_epoch(replica, state.optimizer, batches, settings, show)).tolist()
    if not math.isfinite(loss):
        raise ModelError(f"epoch {epoch}: the loss is {loss / rows}; lower optimizer.learning_rate, now {rate:g}")
    return {"loss": loss / rows, "learning_rate": rate, "rows": rows}


def _validate(recipe: Recipe, worker: Worker, state: TrainState, settings: Pass) -> Metrics:
    """Counts of all workers together, then divided; `score` is the metric that chooses the epoch."""
    _average_buffers(state.model, worker)
    counts = validate(state.model, worker.validation_batches(batch_size_per_worker(recipe)), settings)
    counts = {name: worker.sum(value) for name, value in counts.items()}
    metrics = settings.task.metrics(counts)
    loss = float(counts["loss"] / counts["rows"])
    return {"score": metrics[settings.task.score], "val/loss": loss} | {
        f"val/{name}": value for name, value in metrics.items()
    }


def _average_buffers(model: torch.nn.Module, worker: Worker) -> None:
    """BatchNorm's running figures become those of all workers' images: what is validated is what is saved."""
    if worker.world_size > 1:
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(worker.sum(buffer) / worker.world_size)


def _progress(
    recipe: Recipe, data: PreparedDataset, epoch: int, rows: int, loss: float, metrics: Metrics | None = None
) -> Progress:
    return Progress(epoch, recipe.budget.epochs, rows, data.manifest.sides["train"].rows, loss, metrics)
