"""The rows of one side of a data set, whose they are, and what a model says of them.

Shapes: N rows, C channels, K outputs, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from glioray.data.prepared import PreparedDataset
from glioray.data.progress import OnCount
from glioray.data.records import Side
from glioray.data.shard_writer import SPACINGS
from glioray.data.shards import iterate_batches, read_columns
from glioray.errors import ModelError
from glioray.serving.predictor import Predictor
from glioray.tasks._contract import Batch

Spacing = tuple[float, ...]


class Row(NamedTuple):
    """Who a row is; a patient may have several cases, each a volume of its own."""

    source: str
    group_id: str
    patient_id: str | None
    case_id: str
    slice_index: int


class CaseKey(NamedTuple):
    """A volume; `case_id` is unique within a source, and within its group whatever the source."""

    group_id: str
    case_id: str


@dataclass(frozen=True)
class SideRows:
    """Who each row is, in the order of the shards."""

    dataset: PreparedDataset
    side: Side
    identity: tuple[Row, ...]

    @classmethod
    def read(cls, dataset: PreparedDataset, side: Side) -> SideRows:
        """Of the shards' own columns."""
        columns = read_columns(dataset.folder, dataset.manifest, side, Row._fields)
        return cls(dataset, side, tuple(Row(*row) for row in zip(*columns.values(), strict=True)))

    @cached_property
    def cases(self) -> tuple[CaseKey, ...]:
        """(N,) the case of each row."""
        return tuple(CaseKey(row.group_id, row.case_id) for row in self.identity)

    def case_hashes(self) -> list[str]:
        """(N,) of the contents of each row's case: the same scan has the same one in every data set."""
        return read_columns(self.dataset.folder, self.dataset.manifest, self.side, ["case_hash"])["case_hash"]

    def spacing_mm(self) -> dict[CaseKey, Spacing] | None:
        """Of slices, rows and columns of each case, as prepared; none unless all cases of the data set have it.

        Over all sides, so that two folds of one data set are measured in the same unit.
        """
        for part in self.dataset.manifest.parts:
            if any(None in row for row in self._spacings(part)):
                return None
        return dict(zip(self.cases, self._spacings(self.side), strict=True))

    def batches(self, batch_size: int) -> Iterator[dict[str, Tensor]]:
        """The rows as tensors."""
        return iterate_batches(self.dataset.folder, self.dataset.manifest, self.side, batch_size)

    def predicted(self, predictor: Predictor, batch_size: int, on_progress: OnCount) -> Iterator[tuple[Batch, Tensor]]:
        """Each batch with the model's probabilities for it; raises as `answered`."""
        answers = self.answered(lambda images: (predictor.predict(images),), batch_size, on_progress)
        return ((batch, probabilities) for batch, (probabilities,) in answers)

    def answered(
        self, ask: Callable[[Tensor], tuple[Tensor, ...]], batch_size: int, on_progress: OnCount
    ) -> Iterator[tuple[Batch, tuple[Tensor, ...]]]:
        """Each batch with what is said of its images (B,C,S,S).

        Raises:
            ModelError: an answer is not a number, so that no figure of it would mean anything.
        """
        done = 0
        for batch in self.batches(batch_size):
            found = ask(batch["image"])
            if not all(values.isfinite().all() for values in found):
                raise ModelError(
                    f"{self.dataset.folder}: the model's answer to {self.identity[done].source!r} or an image after it "
                    "is not a number: its training went astray; train it again with a lower optimizer.learning_rate"
                )
            yield batch, found
            done += len(batch["image"])
            on_progress(done, len(self.identity))

    def pick(self, numbers: Sequence[int], batch_size: int) -> dict[int, dict[str, Tensor]]:
        """The tensors of some rows, by their number."""
        wanted, start = set(numbers), 0
        found: dict[int, dict[str, Tensor]] = {}
        for batch in self.batches(batch_size):
            for row in wanted & set(range(start, start + len(batch["image"]))):
                found[row] = {name: values[row - start].clone() for name, values in batch.items()}
            start += len(batch["image"])
            if len(found) == len(wanted):
                break
        return found

    def _spacings(self, part: str) -> list[Spacing]:
        columns = read_columns(self.dataset.folder, self.dataset.manifest, part, SPACINGS)
        return list(zip(*columns.values(), strict=True))
