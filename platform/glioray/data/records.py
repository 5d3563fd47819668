"""The values that travel from raw files to shards. N slices, C channels, H x W pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Side = Literal["train", "val", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
TaskName = Literal["classification", "segmentation"]


class Contents(BaseModel):
    """What the images of a source show; copied into its manifest and into every bundle trained on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


@dataclass(frozen=True)
class Case:
    """One unit of reading: a single image, or all slices of one patient."""

    case_id: str
    files: tuple[Path, ...]
    patient_id: str | None = None
    label: int | None = None
    published_side: Side | None = None


@dataclass(frozen=True)
class RawVolume:
    """The pixels of one case as its files hold them: image (N,C,H,W) of any type, mask (N,H,W) uint8.

    `sources` names the file that each slice came from, relative to the source's root.
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
    pixels inside the head, in units of the prepared image (0..255).
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    label: int | None
    group_id: str
    patient_id: str | None
    slice_index: int
    source: str
    brain_mean: float
    brain_std: float
    brain_fraction: float


@dataclass(frozen=True)
class Signature:
    """All that a model needs to know of the data."""

    in_channels: int
    out_channels: int
    image_size: int
