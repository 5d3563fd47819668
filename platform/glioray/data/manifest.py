"""What the shards of a folder hold, and the proof that train, val and test share no group."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Side
from glioray.data.split import SplitKind
from glioray.errors import DataError, SchemaError

SCHEMA_VERSION = 1
FILE_NAME = "manifest.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(_Frozen):
    """All that decides the bytes of the shards, beside the code."""

    source: str
    source_hash: str = Field(description="SHA-256 over the names and contents of the raw files")
    preprocessing: Preprocessing
    split: SplitKind
    seed: int
    val_fraction: float
    test_fraction: float


class Shard(_Frozen):
    """One Parquet file, by its path relative to the manifest."""

    path: str
    side: Side
    rows: int
    sha256: str


class SideCounts(_Frozen):
    """What one side of the split holds."""

    rows: int
    groups: int
    patients: int
    rows_by_output: dict[str, int] = Field(description="images of a class, or slices that show a label")


class Leak(_Frozen):
    """How far a published split copies its test images into training."""

    test_images: int
    with_copy_in_training: int

    def __str__(self) -> str:
        """The line that stands beside every score made on this split."""
        return f"leaky: {self.with_copy_in_training} of {self.test_images} test images have a copy in training"


class Duplicates(_Frozen):
    """Near-copies found among the images, mirrored ones included."""

    groups: int
    images_with_a_copy: int
    largest_group: int
    conflicts: tuple[tuple[str, ...], ...] = Field((), description="files of a group that carry two labels")


class Refused(_Frozen):
    """A raw file that was left out, and why."""

    source: str
    reason: str


class Normalization(_Frozen):
    """Mean and standard deviation of each channel over the train side, in units of 0..255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Manifest(_Frozen):
    """What the shards of a folder hold."""

    schema_version: int
    glioray_version: str
    settings: Settings
    contents: Contents
    sides: dict[Side, SideCounts]
    normalization: Normalization
    duplicates: Duplicates | None
    leak: Leak | None
    refused: tuple[Refused, ...]
    shards: tuple[Shard, ...]

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with any byte of the data or of its split."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

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


def _parse(path: Path) -> Manifest:
    if not path.is_file():
        raise DataError(f"{path}: no such file. Prepare the data first: glioray prepare SOURCE RAW --out {path.parent}")
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path}: not a manifest of glioray ({error}). Prepare the folder again.") from None
    if version != SCHEMA_VERSION:
        raise SchemaError(
            f"{path}: shards of schema version {version!r}; this glioray reads version {SCHEMA_VERSION}. "
            f"Prepare them again: glioray prepare SOURCE RAW --out {path.parent}"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {where}: {first['msg']}. Prepare the folder again.") from None
