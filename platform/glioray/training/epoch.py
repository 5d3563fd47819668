"""One pass over the train side, and one over the val side: the gradient is here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from glioray.data.augmentation import Augmentation, augment
from glioray.data.manifest import Normalization
from glioray.data.mixing import mix
from glioray.data.preprocessing import normalize
from glioray.tasks._contract import Counts, Logits, Task, add
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
    fill_place: int = 0  # see `augment`
    clip_norm: float | None = None
    accumulate: int = 1  # portions of a batch
    num_classes: int = 0  # that images may be mixed with; none of a segmentation

    def logits(self, model: nn.Module, images: Tensor) -> Logits:
        """(B,C,S,S) uint8 to logits, in the run's number format."""
        # Reordered while a pixel is one byte: to do it after would move four times as much.
        inputs = normalize(images.contiguous(memory_format=torch.channels_last), self.normalization)
        with autocast(self.dtype, self.device):
            logits: Logits = model(inputs)
        return logits

    def changed(self, batch: Batch) -> Batch:
        """The batch as it is learned from: changed at random, and mixed where it has classes."""
        batch = augment(batch, self.augmentation, self.fill_place)
        return mix(batch, self.augmentation, self.num_classes) if self.num_classes else batch


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    settings: Pass,
    before_update: Callable[[int], None] | None = None,
    after_update: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Updates the model once a batch.

    Args:
        model: in train mode.
        optimizer: of the model's parameters.
        batches: on the device of the model.
        settings: see `Pass`.
        before_update: told how many updates are done, as to set the learning rate.
        after_update: told the rows so far and the loss of each batch.

    Returns:
        (2,) float64: the loss summed over rows, and the rows.
    """
    total = torch.zeros(2, dtype=torch.float64, device=settings.device)
    rows_so_far = 0
    for update, batch in enumerate(batches):
        if before_update is not None:
            before_update(update)
        optimizer.zero_grad(set_to_none=True)
        loss = _backward(model, settings.changed(batch), settings)
        if settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
        rows = len(batch["image"])
        total[0] += loss.double() * rows
        total[1] += rows
        rows_so_far += rows
        if after_update is not None:
            after_update(rows_so_far, loss)
    return total


def _backward(model: nn.Module, batch: Batch, settings: Pass) -> Tensor:
    """Gradients of the mean loss over the portions of a batch, and that loss.

    What a loss pools over a batch, as Dice and class weights do, it pools over a portion; so does BatchNorm.
    """
    loss = torch.zeros((), device=settings.device)
    parts = {name: values.chunk(settings.accumulate) for name, values in batch.items()}
    for number in range(settings.accumulate):
        portion = {name: values[number] for name, values in parts.items()}
        with _exchanged(model, is_last=number + 1 == settings.accumulate):
            part = settings.task.loss(settings.logits(model, portion["image"]), portion) / settings.accumulate
            part.backward()  # type: ignore[no-untyped-call]
        loss += part.detach()
    return loss


def _exchanged(model: nn.Module, is_last: bool) -> contextlib.AbstractContextManager[None]:
    """Where workers train together, gradients are exchanged once an update, after its last portion."""
    no_exchange: Callable[[], contextlib.AbstractContextManager[None]] | None = getattr(model, "no_sync", None)
    return contextlib.nullcontext() if is_last or no_exchange is None else no_exchange()


@torch.no_grad()
def validate(model: nn.Module, batches: Iterable[Batch], settings: Pass) -> Counts:
    """Counts of the task over the batches, with the `loss` summed over rows, and the `rows`."""
    model.eval()
    # A worker may have no rows at all. Each sum has memory of its own: they are reduced over workers in place.
    sums = {name: torch.zeros((), dtype=torch.float64) for name in ("loss", "rows")}
    total = {name: value.to(settings.device) for name, value in {**settings.task.zero_counts(), **sums}.items()}
    for batch in batches:
        logits = settings.logits(model, batch["image"])
        assert isinstance(logits, Tensor), "in eval mode a network gives one tensor"
        rows = torch.tensor(float(len(batch["image"])), dtype=torch.float64, device=settings.device)
        counts = settings.task.counts(settings.task.probabilities(logits), batch)
        total = add(total, {**counts, "loss": settings.task.loss(logits, batch).double() * rows, "rows": rows})
    return total
