"""What the val side says of the weights that answer, over all workers."""

from __future__ import annotations

from torch import nn

from glioray.recipe import Recipe
from glioray.training.epoch import Pass, validate
from glioray.training.news import Metrics
from glioray.training.state import TrainState
from glioray.training.worker import Worker, batch_size_per_worker


def validated(recipe: Recipe, worker: Worker, state: TrainState, settings: Pass) -> Metrics:
    """Counts of all workers together, then divided; `score` is the metric that chooses the epoch.

    It is that of the mask as the network gives it: which clean-up is best is chosen within the best epoch.
    """
    for model in dict.fromkeys((state.model, state.answering)):
        _average_buffers(model, worker)
    counts = validate(
        state.answering, worker.validation_batches(batch_size_per_worker(recipe, worker.world_size)), settings
    )
    counts = {name: worker.sum(value) for name, value in counts.items()}
    metrics = settings.task.metrics(counts)
    name = settings.task.score
    score = metrics.get(f"{name}@0", metrics[name])
    loss = float(counts["loss"] / counts["rows"])
    return {"score": score, "val/loss": loss} | {f"val/{name}": value for name, value in metrics.items()}


def _average_buffers(model: nn.Module, worker: Worker) -> None:
    """BatchNorm's running figures become those of all workers' images: what is validated is what is saved."""
    if worker.world_size > 1:
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(worker.sum(buffer) / worker.world_size)
