"""One pass over the train side, and one over the val side: the gradient is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from glioray.data.augmentation import Augmentation, augment
from glioray.data.manifest import Normalization
from glioray.data.preprocessing import normalize
from glioray.tasks._contract import Counts, Task, add
from glioray.training.precision import autocast

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pass:
    """What both passes need beside the model."""

    task: Task
    normalization: Normalization
    device: torch.device
    dtype: torch.dtype | None
    augmentation: Augmentation
    clip_norm: float | None = None

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """(B,C,S,S) uint8 to logits, in the run's number format."""
        inputs = normalize(images, self.normalization).contiguous(memory_format=torch.channels_last)
        with autocast(self.dtype, self.device):
            logits: Tensor = model(inputs)
        return logits


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    settings: Pass,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Updates the model once a batch.

    Args:
        model: in any mode; is in train mode afterwards.
        optimizer: of the model's parameters, its learning rate already that of this epoch.
        batches: on the device of the model.
        settings: see `Pass`.
        on_step: told the rows so far and the loss of each batch.

    Returns:
        (2,) float64: the loss summed over rows, and the rows.
    """
    model.train()
    total = torch.zeros(2, dtype=torch.float64, device=settings.device)
    rows_so_far = 0
    for batch in batches:
        batch = augment(batch, settings.augmentation)
        loss = settings.task.loss(settings.logits(model, batch["image"]), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
        rows = len(batch["image"])
        total[0] += loss.detach().double() * rows
        total[1] += rows
        rows_so_far += rows
        if on_step is not None:
            on_step(rows_so_far, loss.detach())
    return total


@torch.no_grad()
def validate(model: nn.Module, batches: Iterable[Batch], settings: Pass) -> Counts:
    """Counts of the task over the batches, with the `loss` summed over rows, and the `rows`."""
    model.eval()
    # A worker may have no rows at all. Each sum has memory of its own: they are reduced over workers in place.
    sums = {name: torch.zeros((), dtype=torch.float64) for name in ("loss", "rows")}
    total = {name: value.to(settings.device) for name, value in {**settings.task.zero_counts(), **sums}.items()}
    for batch in batches:
        logits = settings.logits(model, batch["image"])
        rows = torch.tensor(float(len(batch["image"])), dtype=torch.float64, device=settings.device)
        counts = settings.task.counts(settings.task.probabilities(logits), batch)
        total = add(total, {**counts, "loss": settings.task.loss(logits, batch).double() * rows, "rows": rows})
    return total
