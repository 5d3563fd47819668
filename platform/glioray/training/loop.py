"""What every worker runs: read this first.

Plain torch. The worker says where the data come from and where the results go; the loop never asks which one it has.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from glioray.data.prepared import PreparedDataset
from glioray.errors import DivergedError
from glioray.models import _contract as models
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.tasks import _contract as tasks
from glioray.tasks.clean_up import with_clean_up
from glioray.training.average import MovingAverage
from glioray.training.compiling import compiled, require_compiler
from glioray.training.epoch import Pass, train_epoch
from glioray.training.freezing import Freezer
from glioray.training.news import Metrics
from glioray.training.optimizer import build_optimizer
from glioray.training.precision import autocast_type
from glioray.training.progress import Reporter, Timed
from glioray.training.schedule import set_learning_rate
from glioray.training.state import TrainState
from glioray.training.validation import validated
from glioray.training.worker import Worker, batch_size_per_worker, epoch_seed


def fit(recipe: Recipe, data: PreparedDataset, worker: Worker) -> None:
    """Trains from the newest checkpoint, or from nothing, until the budget is spent or patience lost.

    Raises:
        DivergedError: the loss is not a number any more.
        RecipeError: the recipe asks for a compiler that this worker does not have.
    """
    settings = _pass(recipe, data, worker)
    state = _start(recipe, data, worker)
    freezer = Freezer(state.model, recipe.optimizer.freeze_epochs)
    replica: nn.Module | None = None
    while not state.is_over(recipe):
        started_at = time.perf_counter()
        freezer.begin(state.epoch + 1)
        if replica is None or freezer.ends_before(state.epoch + 1):
            replica = _replica(recipe, worker, state.model)
        reporter = Reporter(recipe, data, worker, state.epoch + 1)
        metrics = _train(recipe, worker, replica, state, settings, reporter)
        metrics["train_s"] = time.perf_counter() - started_at
        metrics["wait_share"] = metrics.pop("wait_s") / metrics["train_s"]
        metrics |= validated(recipe, worker, state, settings)
        metrics |= worker.measured()
        metrics["epoch_s"] = time.perf_counter() - started_at
        row = state.add(metrics)
        with tempfile.TemporaryDirectory() as folder:
            if worker.rank == 0:
                state.save(Path(folder))
            # Every rank must get here: report() waits for all of them.
            worker.report(row, state.epoch, Path(folder) if worker.rank == 0 else None)
        reporter.end(row)


def _pass(recipe: Recipe, data: PreparedDataset, worker: Worker) -> Pass:
    contents = data.manifest.contents
    task = tasks.build(contents, recipe.loss, len(data.split.patients))
    return Pass(
        task=with_clean_up(task, recipe.answer.smallest_part_px),
        normalization=data.manifest.normalization,
        device=worker.device,
        dtype=autocast_type(recipe.precision, worker.device),
        augmentation=recipe.augmentation,
        fill_place=recipe.augmentation.fill_place(contents.channels),
        clip_norm=recipe.optimizer.clip_norm,
        accumulate=recipe.budget.accumulate,
        num_classes=len(contents.classes),
    )


def _start(recipe: Recipe, data: PreparedDataset, worker: Worker) -> TrainState:
    torch.manual_seed(recipe.seed)  # the same weights on every rank
    model = build_network(recipe, data.manifest.contents, data.signature)
    with worker.resume_from() as checkpoint:
        if checkpoint is None:
            models.start_weights(recipe.model, model)
        model = model.to(worker.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        decay = recipe.optimizer.ema_decay
        average = None if decay is None else MovingAverage(model, decay)
        state = TrainState(model, build_optimizer(model, recipe.optimizer), average)
        if checkpoint is not None:
            state.load(checkpoint)
    return state


def _replica(recipe: Recipe, worker: Worker, model: nn.Module) -> nn.Module:
    """The model as this worker trains it; made anew when other parameters begin to learn."""
    replica = worker.wrap(model)
    if not recipe.compile:
        return replica
    require_compiler(worker.device)
    return compiled(replica)


def _train(
    recipe: Recipe, worker: Worker, replica: nn.Module, state: TrainState, settings: Pass, reporter: Reporter
) -> Metrics:
    """One epoch of updates; gives mean loss and mean wait for data over all workers, and the last learning rate."""
    epoch, batch_size = state.epoch + 1, batch_size_per_worker(recipe, worker.world_size)
    torch.manual_seed(epoch_seed(recipe.seed, epoch, worker.rank))
    batches = Timed(worker.train_batches(epoch, batch_size, recipe.data.foreground_share))
    updates = max(1, worker.train_rows // batch_size)
    rate = math.nan

    def set_rate(update: int) -> None:
        nonlocal rate
        rate = set_learning_rate(state.optimizer, recipe, state.epoch + update / updates)

    def follow(rows: int, loss: torch.Tensor) -> None:
        if state.average is not None:
            state.average.update(state.model)
        reporter.step(rows, loss)

    sums = train_epoch(replica, state.optimizer, batches, settings, set_rate, follow)
    loss, rows, wait_s = worker.sum(torch.cat([sums, sums.new_tensor([batches.wait_s])])).tolist()
    if not math.isfinite(loss):
        raise DivergedError(f"epoch {epoch}: the loss is {loss / rows}; lower optimizer.learning_rate, now {rate:g}")
    return {
        "loss": loss / rows,
        "learning_rate": rate,
        "rows": rows,
        "first_step_s": reporter.first_step_s,
        "wait_s": wait_s / worker.world_size,
    }
