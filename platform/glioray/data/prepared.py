"""A prepared folder, opened: its manifest, its split, and the proof that they tell the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glioray.data.manifest import Manifest
from glioray.data.records import Side, Signature
from glioray.data.shards import iterate_batches, load_side, open_shard, read_columns
from glioray.data.split import FILE_NAME as SPLIT_FILE
from glioray.data.split import Split
from glioray.errors import DataError
from glioray.pages import counted
from glioray.remote import sha256_of

__all__ = ["PreparedDataset", "iterate_batches", "load_side"]


@dataclass(frozen=True)
class PreparedDataset:
    """What `prepare` made."""

    folder: Path
    manifest: Manifest
    split: Split

    @classmethod
    def open(cls, folder: Path, fold: int | None = None) -> PreparedDataset:
        """Reads manifest and split, not the shards.

        Args:
            folder: what `prepare` made.
            fold: of data prepared as folds: the one to test on; the next one is val, all others are train.

        Raises:
            DataError: the folder was not prepared, a file of it is damaged, or there is no such fold.
            SchemaError: another version of glioray prepared it.
        """
        folder = Path(folder)
        manifest, split = Manifest.load(folder), Split.load(folder)
        if fold is None:
            return cls(folder, manifest, split)
        chosen = manifest.of_fold(fold)
        return cls(folder, chosen, split.of_fold(fold, manifest.settings.folds or 0))

    @property
    def signature(self) -> Signature:
        """What a model needs to know."""
        contents = self.manifest.contents
        size_px = self.manifest.settings.preprocessing.image_size
        return Signature(len(contents.channels), len(contents.outputs), size_px)

    def groups(self, side: str) -> tuple[str, ...]:
        """The groups of a side, sorted."""
        return self.split.on(side)

    def patients(self, side: str) -> tuple[str, ...]:
        """The patients of a side, sorted; empty where the data name none."""
        columns = read_columns(self.folder, self.manifest, side, ["patient_id"]) if self.split.patients else {}
        return tuple(sorted(set(columns.get("patient_id", [])) - {None}))

    def case_hashes(self, side: str) -> frozenset[str]:
        """Of the contents of each case of a side: the same scan has the same one in every data set."""
        return frozenset(read_columns(self.folder, self.manifest, side, ["case_hash"])["case_hash"])

    def describe(self, side: Side) -> str:
        """Whose images a side holds, as `12 patients` or, where none is named, `340 groups`."""
        counts = self.manifest.sides[side]
        return counted(counts.patients, "patients") if counts.patients else counted(counts.groups, "groups")

    def verify(self, hashes: bool = False) -> None:
        """Proves from the shards themselves that no group stands on two sides and that all rows are there.

        Args:
            hashes: also compare every shard with the SHA-256 of the manifest; reads all bytes.

        Raises:
            LeakError: a group is on two sides.
            DataError: a shard is missing, extra, damaged or of another length; a group stands where
                `split.json` does not put it.
            SchemaError: a shard has columns of another kind.
        """
        self._verify_shards(hashes)
        proved = Split.of_rows(
            self._rows(),
            self.split.kind,
            self.split.seed,
            self.split.patients,
            where=str(self.folder / SPLIT_FILE),
        )
        if proved.groups != self.split.groups:
            raise DataError(f"{self.folder / SPLIT_FILE}: not the split of these shards. Prepare the folder again.")

    def _rows(self) -> Iterator[tuple[str, str]]:
        for part in self.manifest.parts:
            for group in read_columns(self.folder, self.manifest, part, ["group_id"])["group_id"]:
                yield group, part

    def _verify_shards(self, hashes: bool) -> None:
        for shard in self.manifest.shards:
            path = self.folder / shard.path
            if not path.is_file():
                raise DataError(f"{path}: listed in the manifest, but not there. Prepare the folder again.")
            with open_shard(path) as file:
                rows = file.metadata.num_rows
            if rows != shard.rows:
                raise DataError(f"{path}: {rows} rows, the manifest lists {shard.rows}. Prepare the folder again.")
            if hashes and sha256_of(path) != shard.sha256:
                raise DataError(f"{path}: changed since it was written. Prepare the folder again.")
