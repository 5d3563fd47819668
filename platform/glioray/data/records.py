"""The values that travel from raw files to shards. N slices, C channels, H x W pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glioray.frozen import Frozen

Side = Literal["train", "val", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
TaskName = Literal["classification", "segmentation"]


class Contents(Frozen):
    """What the images of a source show; copied into its manifest and into every bundle trained on it."""

    task: TaskName
    channels: tuple[str, ...] = Field(min_length=1, description="sequences, in the order of the tensor")
    classes: tuple[str, ...] = Field((), description="classification: names in the order of the outputs")
    labels: dict[str, int] = Field({}, description="segmentation: the mask's value for each output, in order")
    regions: dict[str, tuple[str, ...]] = Field({}, description="labels that are scored together, as WT")
    synthetic: bool = Field(False, description="made by a program, not by a scanner")
    citation: str = Field(description="whose data these are, and under which terms")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the model's outputs: the classes, or the labels."""
        return self.classes if self.task == "classification" else tuple(self.labels)


class Refused(Frozen):
    """Something raw that is not used, and why: a file, a folder, a series, a line of a table."""

    source: str
    reason: str


class Clinical(Frozen):
    """What a table says of a patient; none where it says nothing that can be used."""

    age_years: float | None = Field(None, ge=0, le=130)
    survival_days: int | None = Field(None, ge=0, description="from operation to death")
    alive_days: int | None = Field(
        None,
        ge=0,
        description="from operation to the last that was heard of a patient who lived then",
        exclude_if=lambda days: days is None,  # the fingerprint of data that were prepared before stays as it was
    )
    resection: str | None = Field(None, description="extent of the resection: GTR (whole), STR (in part)")


@dataclass(frozen=True)
class Case:
    """One unit of reading: a single image, or all slices of one patient."""

    case_id: str
    files: tuple[Path, ...]
    patient_id: str | None = None
    label: int | None = None
    published_side: Side | None = None


@dataclass(frozen=True)
class Found:
    """What a source found in its folder before it read a pixel.

    `refused` are cases that cannot be used, which end a preparation unless it was told to leave them out;
    `remarks` are other things that are not used, and are only listed.
    """

    cases: list[Case]
    refused: list[Refused] = field(default_factory=list)
    remarks: list[Refused] = field(default_factory=list)
    clinical: dict[str, Clinical] = field(default_factory=dict)


@dataclass(frozen=True)
class RawVolume:
    """The pixels of one case as its files hold them: image (N,C,H,W) of any type, mask (N,H,W) uint8.

    `sources` names the file that each slice came from, relative to the source's root. `spacing_mm` is from
    slice to slice, row to row and column to column, of centers; none where the format has none.
    """

    image: NDArray[Any]
    mask: NDArray[np.uint8] | None
    sources: tuple[str, ...]
    slice_indices: tuple[int, ...]
    spacing_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class SliceRecord:
    """One prepared slice, as a row of a shard holds it.

    image (C,S,S) uint8; mask (S,S) uint8, or none for classification; the brain figures are over the
    pixels inside the head, in units of the prepared image (0..255). `raw_size_px` is (height, width) of the raw
    picture, which no model may see; `case_hash` is of the contents of the case's files; `spacing_mm` (slice, row,
    column) of the prepared grid; `label_pixels` (K,) in the order of the labels; `intensity` (C,2): the raw value is
    its first + its second times the prepared value, but where a pixel was clipped or made black.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    label: int | None
    group_id: str
    patient_id: str | None
    case_id: str
    case_hash: str
    slice_index: int
    source: str
    brain_mean: float
    brain_std: float
    brain_fraction: float
    raw_size_px: tuple[int, int]
    spacing_mm: tuple[float, float, float] | None
    label_pixels: tuple[int, ...]
    intensity: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Signature:
    """All that a model needs to know of the data."""

    in_channels: int
    out_channels: int
    image_size: int
