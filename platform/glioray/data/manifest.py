"""What the shards of a folder hold, and the proof that its parts share no group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Clinical, Contents, Refused, Side
from glioray.data.split import SPLITS, SplitKind, part_names, sides_of_fold
from glioray.errors import DataError
from glioray.frozen import Frozen
from glioray.plain_values import from_json
from glioray.schema import FIELD, require_version

SCHEMA_VERSION = 2
FILE_NAME = "manifest.json"


class Settings(Frozen):
    """All that decides the bytes of the shards, beside the code."""

    source: str
    options: dict[str, Any] = Field({}, description="of the source")
    source_hash: str = Field(description="SHA-256 over the names and contents of the raw files")
    preprocessing: Preprocessing
    split: SplitKind
    split_hash: str | None = Field(None, description="file: SHA-256 of the split that was given")
    folds: int | None = Field(None, description="parts of a cross-validation, in the place of train, val and test")
    seed: int
    val_fraction: float
    test_fraction: float
    drop_empty: float = Field(0.0, description="share of the slices without any label that training does without")

    @property
    def split_line(self) -> str:
        """As `split by group (seed 0)`."""
        return f"{SPLITS[self.split]} (seed {self.seed})"


class Shard(Frozen):
    """One Parquet file, by its path relative to the manifest."""

    path: str = Field(pattern=r"^split=[A-Za-z0-9_-]+/[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    side: str = Field(description="train, val or test; a fold's name where there are folds")
    rows: int
    sha256: str


class PartCounts(Frozen):
    """What one part of the split holds; counts of two parts add, since they share no group."""

    rows: int
    groups: int
    patients: int
    rows_by_output: dict[str, int] = Field(description="images of a class, or slices that show a label")
    foreground_rows: int = Field(0, description="slices that show any label")
    label_pixels: dict[str, int] = Field({}, description="pixels of each label")

    def __add__(self, other: PartCounts) -> PartCounts:
        """Of both parts together."""
        return PartCounts(
            rows=self.rows + other.rows,
            groups=self.groups + other.groups,
            patients=self.patients + other.patients,
            rows_by_output=_sum(self.rows_by_output, other.rows_by_output),
            foreground_rows=self.foreground_rows + other.foreground_rows,
            label_pixels=_sum(self.label_pixels, other.label_pixels),
        )


class Moments(Frozen):
    """Sums over all pixels of a part for each channel: whole numbers, so that no order matters and parts add."""

    pixels: int
    sums: tuple[int, ...]
    squares: tuple[int, ...]

    def __add__(self, other: Moments) -> Moments:
        """Of both parts together."""
        return Moments(
            pixels=self.pixels + other.pixels,
            sums=tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            squares=tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
        )


class Leak(Frozen):
    """How far a published split copies its test images into training."""

    test_images: int
    with_copy_in_training: int

    def __str__(self) -> str:
        """The line that stands beside every score made on this split."""
        return f"leaky: {self.with_copy_in_training} of {self.test_images} test images have a copy in training"


class Duplicates(Frozen):
    """Copies found among the images, mirrored and turned ones included."""

    groups: int
    images_with_a_copy: int
    largest_group: int
    conflicts: tuple[tuple[str, ...], ...] = Field((), description="files of a group that carry two labels")
    nested: tuple[tuple[str, str], ...] = Field((), description="patients in one group, since slices copy each other")
    alike: int = Field(0, description="slices that copy one of a patient in another part, too few to join the two")


class Range(Frozen):
    """Of a figure that differs from case to case."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Range:
        """Rounded to six digits after the point."""
        found = np.array(list(values), dtype=np.float64)
        least, median, most = (round(float(f(found)), 6) for f in (np.min, np.median, np.max))
        return cls(least=least, median=median, most=most)


class Facts(Frozen):
    """What the raw scans are like, over all parts."""

    cases: int
    height_px: Range
    width_px: Range
    slices: Range = Field(description="of a case")
    spacing_mm: dict[str, Range] = Field({}, description="raw, by slice, row, column; empty where no file says it")
    shares: dict[str, float] = Field(description="of the images by class, or of the pixels by label")
    foreground_share: float | None = Field(None, description="of the slices, those that show any label")
    volumes_ml: dict[str, Range] = Field({}, description="by label and region, of a case; empty without spacing")


class Normalization(Frozen):
    """Mean and standard deviation of each channel over the train side, in units of 0..255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Manifest(Frozen):
    """What the shards of a folder hold."""

    schema_version: int
    glioray_version: str
    settings: Settings
    contents: Contents
    fold: int | None = Field(None, description="of a view: the fold that is its test side")
    counts: dict[str, PartCounts]
    moments: dict[str, Moments]
    facts: Facts
    duplicates: Duplicates | None
    leak: Leak | None
    refused: tuple[Refused, ...]
    remarks: tuple[Refused, ...] = ()
    clinical: dict[str, Clinical] = Field({})
    shards: tuple[Shard, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, in their order: train, val, test, or the folds."""
        return tuple(name for name in part_names(self._open_folds) if name in self.counts)

    @property
    def sides(self) -> dict[Side, PartCounts]:
        """What train, val and test hold.

        Raises:
            DataError: these are folds; one must be chosen first.
        """
        if self._open_folds is not None:
            raise DataError(
                f"these data are {self._open_folds} folds: choose the one to test on with data.fold, from 0 to "
                f"{self._open_folds - 1}"
            )
        return {"train": self.counts["train"], "val": self.counts["val"], "test": self.counts["test"]}

    def whole_group(self, name: str) -> str:
        """Of a group's name: a published split may tear it apart, and names its pieces as g00012@test."""
        return name.rpartition("@")[0] if self.settings.split == "published" else name

    def split_line(self, side: Side) -> str:
        """Of rows of a side: `test, split by group (seed 0)`, with the fold where there is one."""
        line = f"{side}, {self.settings.split_line}"
        return line if self.fold is None else f"fold {self.fold} of {self.settings.folds}, {line}"

    @property
    def normalization(self) -> Normalization:
        """Over the train side; over all folds where none is chosen."""
        total = reduce(Moments.__add__, self.moments.values()) if self._open_folds else self.moments["train"]
        mean = [value / total.pixels for value in total.sums]
        variance = [value / total.pixels - m**2 for value, m in zip(total.squares, mean, strict=True)]
        std = [max(value, 1.0) ** 0.5 for value in variance]
        return Normalization(mean=tuple(round(v, 4) for v in mean), std=tuple(round(v, 4) for v in std))

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with any byte of the data or of its split."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def of_fold(self, fold: int) -> Manifest:
        """With this fold as test, the next one as val, all others as train.

        Raises:
            DataError: there are no folds, or not so many.
        """
        folds = self.settings.folds
        if folds is None or not 0 <= fold < folds:
            there = f"folds 0 to {folds - 1}" if folds else "no folds; prepare them with --folds K"
            raise DataError(f"fold {fold} is asked for; these data have {there}")
        sides = sides_of_fold(fold, folds)
        counts: dict[str, PartCounts] = {}
        moments: dict[str, Moments] = {}
        for part in self.parts:
            side = sides[part]
            counts[side] = counts[side] + self.counts[part] if side in counts else self.counts[part]
            moments[side] = moments[side] + self.moments[part] if side in moments else self.moments[part]
        shards = tuple(shard.model_copy(update={"side": sides[shard.side]}) for shard in self.shards)
        changed = {"fold": fold, "counts": counts, "moments": moments, "shards": shards}
        return self.model_copy(update=changed)

    def save(self, folder: Path) -> None:
        """Writes `manifest.json`; the folder is still the temporary one of its writer."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Reads `manifest.json`.

        Raises:
            DataError: there is none, or it is not a manifest.
            SchemaError: it was written by another version of glioray.
        """
        return _parse(folder / FILE_NAME)

    @property
    def _open_folds(self) -> int | None:
        """How many folds there are, unless one was chosen."""
        return self.settings.folds if self.fold is None else None


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one[name] + other[name] for name in one}


def _preparing(folder: Path) -> str:
    """The command; what lies in the folder already, as raw scans, is its input."""
    is_used = folder.is_dir() and any(folder.iterdir())
    raw, out = (folder, f"{folder}-prepared") if is_used else ("RAW", folder)
    return f"glioray prepare SOURCE {raw} --out {out}"


def _parse(path: Path) -> Manifest:
    if not path.is_file():
        raise DataError(f"{path}: no such file. Prepare the data first: {_preparing(path.parent)}")
    try:
        content: Any = from_json(path.read_text(encoding="utf-8"))
        content[FIELD]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path}: not a manifest of glioray ({error}). Prepare the folder again.") from None
    remedy = f"prepare them again: glioray prepare SOURCE RAW --out {path.parent}"
    require_version(content, SCHEMA_VERSION, f"{path}: shards", remedy)
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {where}: {first['msg']}. Prepare the folder again.") from None
