"""The rows of one side of a data set, whose they are, and what a model says of them.

Shapes: N rows, U units, C channels, K outputs, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glioray.data.prepared import PreparedDataset
from glioray.data.records import Side
from glioray.data.shards import iterate_batches, read_columns
from glioray.errors import ModelError
from glioray.serving.predictor import Predictor
from glioray.tasks._contract import Batch

COLUMNS = ("source", "group_id", "patient_id", "slice_index")


@dataclass(frozen=True)
class SideRows:
    """Who each row is, in the order of the shards."""

    dataset: PreparedDataset
    side: Side
    identity: tuple[tuple[str, str, str | None, int], ...]
    """source, group, patient and slice of each row"""

    @classmethod
    def read(cls, dataset: PreparedDataset, side: Side) -> SideRows:
        """Of the shards' own columns."""
        columns = read_columns(dataset.folder, dataset.manifest, side, COLUMNS)
        return cls(dataset, side, tuple(zip(*(columns[name] for name in COLUMNS), strict=True)))

    @property
    def unit(self) -> str:
        """What is drawn again for an interval."""
        return "patients" if all(patient is not None for _, _, patient, _ in self.identity) else "groups"

    @property
    def units(self) -> tuple[str, ...]:
        """Patients or groups, sorted."""
        return tuple(sorted(set(self._unit_of_rows())))

    @property
    def unit_index(self) -> Tensor:
        """(N,) place of each row's unit in `units`."""
        place = {name: index for index, name in enumerate(self.units)}
        return torch.tensor([place[name] for name in self._unit_of_rows()])

    def batches(self, batch_size: int) -> Iterator[dict[str, Tensor]]:
        """The rows as tensors."""
        return iterate_batches(self.dataset.folder, self.dataset.manifest, self.side, batch_size)

    def predicted(
        self, predictor: Predictor, batch_size: int, on_progress: Callable[[int, int], None]
    ) -> Iterator[tuple[Batch, Tensor]]:
        """Each batch with the model's probabilities for it.

        Raises:
            ModelError: an answer is not a number, so that no figure of it would mean anything.
        """
        done = 0
        for batch in self.batches(batch_size):
            probabilities = predictor.predict(batch["image"])
            if not probabilities.isfinite().all():
                raise ModelError(
                    f"{self.dataset.folder}: the model's answer to {self.identity[done][0]!r} or an image after it is "
                    "not a number: its training went astray; train it again with a lower optimizer.learning_rate"
                )
            yield batch, probabilities
            done += len(batch["image"])
            on_progress(done, len(self.identity))

    def pick(self, numbers: Sequence[int], batch_size: int) -> dict[str, Tensor]:
        """The tensors of some rows, in the order asked for."""
        wanted, start = set(numbers), 0
        found: dict[int, dict[str, Tensor]] = {}
        for batch in self.batches(batch_size):
            for row in wanted & set(range(start, start + len(batch["image"]))):
                found[row] = {name: values[row - start].clone() for name, values in batch.items()}
            start += len(batch["image"])
            if len(found) == len(wanted):
                break
        return {name: torch.stack([found[row][name] for row in numbers]) for name in found[numbers[0]]}

    def _unit_of_rows(self) -> list[str]:
        if self.unit == "groups":
            return [group for _, group, _, _ in self.identity]
        return [str(patient) for _, _, patient, _ in self.identity]
