"""What a folder of scans gives to a model of survival: tables, and the masks of all patients.

Shapes: N slices, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from glioray.data.progress import OnProgress
from glioray.data.records import Clinical, Contents, Refused
from glioray.survival.features import Box, Labels, Spacing
from glioray.survival.honest import HonestModels


@dataclass(frozen=True)
class ScannedMasks:
    """The masks of one patient (N,H,W): the true one, and what a model that has not seen the patient predicts.

    `group_id` is what must not be parted: the patient, or patients whose scans copy each other.
    """

    patient_id: str
    group_id: str
    true: Labels
    predicted: Labels | None
    brain: Box
    spacing_mm: Spacing


Masks = Callable[[Path, Collection[str], HonestModels, OnProgress], Iterator[ScannedMasks]]


@dataclass(frozen=True)
class Scans:
    """What a folder says of itself before a voxel is read, and how its masks are read.

    `masks(place, wanted, models, show)` gives one scan a patient, the first of one who has several; it raises DataError
    for a scan that cannot be read or has no spacing. `remarks` are those on tables beside the scans.
    """

    place: Path
    contents: Contents
    clinical: dict[str, Clinical]
    refused: tuple[Refused, ...]
    remarks: tuple[Refused, ...]
    patients: frozenset[str]
    masks: Masks
