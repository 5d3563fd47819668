"""What a task gives to the loop, to evaluation and to the service.

Counts are sums over rows, so that they may be added over batches and workers; only then are they divided.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from torch import Tensor

from glioray.errors import RecipeError
from glioray.frozen import Frozen

Batch = Mapping[str, Tensor]
Logits = Tensor | tuple[Tensor, ...]
Counts = dict[str, Tensor]
TaskName = Literal["classification", "segmentation"]


class LossConfig(Frozen):
    """Settings of a task's loss; data only."""


class Contents(Protocol):
    """What a task needs to know of the data; `data.records.Contents` is one."""

    @property
    def task(self) -> TaskName: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> dict[str, int]: ...
    @property
    def regions(self) -> dict[str, tuple[str, ...]]: ...


class Task(Protocol):
    """The loss, the counts and the metrics of one kind of answer."""

    @property
    def score(self) -> str:
        """The metric that chooses the epoch; larger is better."""

    def loss(self, logits: Logits, batch: Batch) -> Tensor:
        """Mean over the batch, a scalar with a gradient; of several logits (deep supervision) the finest is first."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """The answer, of the shape of the logits."""

    def counts(self, probabilities: Tensor, batch: Batch) -> Counts:
        """Sums over the batch, float64, of the same shapes for every batch."""

    def zero_counts(self) -> Counts:
        """The counts of no rows, on the CPU."""

    def metrics(self, counts: Counts) -> dict[str, float]:
        """What the summed counts come to; NaN where there is nothing to divide by."""


def loss_config(task: TaskName) -> type[LossConfig]:
    """The class of a task's loss settings."""
    return importlib.import_module(f"glioray.tasks.{task}").Loss  # type: ignore[no-any-return]


def build(contents: Contents, loss: Any, num_patients: int) -> Task:
    """The task of a data set; `num_patients` is how many its counts are kept apart for."""
    return importlib.import_module(f"glioray.tasks.{contents.task}").build(contents, loss, num_patients)  # type: ignore[no-any-return]


def num_outputs(contents: Contents, loss: Any) -> int:
    """How many channels a network has to give for a task."""
    module = importlib.import_module(f"glioray.tasks.{contents.task}")
    return module.num_outputs(contents, loss)  # type: ignore[no-any-return]


def add(total: Counts, counts: Counts) -> Counts:
    """Counts of two sets of rows together."""
    return {name: total[name] + counts[name] for name in counts}


def require_weight_for_each(weights: Sequence[float] | None, outputs: Sequence[str]) -> None:
    """Refuses weights that are not one for each output.

    Raises:
        RecipeError: their number differs.
    """
    if weights is not None and len(weights) != len(outputs):
        raise RecipeError(
            f"loss.class_weights has {len(weights)} values, the data have {len(outputs)} outputs: {', '.join(outputs)}"
        )
