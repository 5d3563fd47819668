"""The masks of a prepared data set, read once through all of its shards.

Masks are kept packed until a patient's are measured, so that memory does not grow with the images.

Shapes: B rows of a batch, N slices, S x S pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.data.progress import OnProgress
from glioray.data.shards import read_columns
from glioray.errors import DataError
from glioray.evaluation.matching import require_fit
from glioray.serving.predictor import Predictor
from glioray.survival.features import Box, Labels, Spacing
from glioray.survival.honest import BATCH_SIZE, HonestModels, mask_of_prepared
from glioray.survival.scans import ScannedMasks, Scans

FAST = 1  # zlib's level: masks are nearly empty


class _Row(NamedTuple):
    """Who a row is, and where."""

    patient_id: str | None
    group_id: str
    case_id: str
    case_hash: str
    slice_index: int
    spacing_slice_mm: float | None
    spacing_row_mm: float | None
    spacing_column_mm: float | None

    @property
    def spacing_mm(self) -> tuple[float | None, ...]:
        return self.spacing_slice_mm, self.spacing_row_mm, self.spacing_column_mm


@dataclass
class _Case:
    """What has been seen of a scan."""

    row: _Row
    true: dict[int, bytes] = field(default_factory=dict)
    predicted: dict[int, bytes] = field(default_factory=dict)
    brain: Box | None = None


def opened(place: Path) -> Scans:
    """What the manifest says.

    Raises:
        DataError: it was prepared for another task, or is damaged.
    """
    dataset = PreparedDataset.open(place)
    manifest = dataset.manifest
    if manifest.contents.task != "segmentation":
        task = manifest.contents.task
        raise DataError(f"{place}: prepared for {task}, so it has no masks; prepare it with --task segmentation")
    patients = {row.patient_id for part in manifest.parts for row in _rows(dataset, part)}
    known = frozenset(patient for patient in patients if patient is not None)
    return Scans(place, manifest.contents, dict(manifest.clinical), manifest.refused, manifest.remarks, known, masks)


def masks(place: Path, wanted: Collection[str], models: HonestModels, show: OnProgress) -> Iterator[ScannedMasks]:
    """See `Scans.masks`."""
    dataset = PreparedDataset.open(place)
    dataset.verify(hashes=True)
    for _, predictor in models.named:
        require_fit(predictor.config, dataset.manifest, str(place))
    by_part = {part: _rows(dataset, part) for part in dataset.manifest.parts}
    first = _first_cases(by_part, wanted)
    answering = _answering(by_part, models)
    cases: dict[str, _Case] = {}
    done, total = 0, sum(map(len, by_part.values()))
    for part, rows in by_part.items():
        start = 0
        for batch in iterate_batches(dataset.folder, dataset.manifest, part, BATCH_SIZE):
            own = rows[start : start + len(batch["image"])]
            _see(own, batch, first, answering, cases)
            start += len(own)
            done += len(own)
            show("masks", done, total)
    size_px = dataset.signature.image_size
    for patient_id in sorted(cases):
        yield _finished(place, patient_id, cases.pop(patient_id), size_px)


def _rows(dataset: PreparedDataset, part: str) -> list[_Row]:
    columns = read_columns(dataset.folder, dataset.manifest, part, _Row._fields)
    return [_Row(*values) for values in zip(*(columns[name] for name in _Row._fields), strict=True)]


def _first_cases(by_part: Mapping[str, list[_Row]], wanted: Collection[str]) -> set[tuple[str, str]]:
    first: dict[str, str] = {}
    for row in (row for rows in by_part.values() for row in rows):
        if row.patient_id in wanted:
            patient_id = str(row.patient_id)
            first[patient_id] = min(first.get(patient_id, row.case_id), row.case_id)
    return set(first.items())


def _answering(by_part: Mapping[str, list[_Row]], models: HonestModels) -> dict[str, Predictor | None]:
    """By group, the model that has learned from none of its cases."""
    hashes: dict[str, set[str]] = {}
    for row in (row for rows in by_part.values() for row in rows):
        hashes.setdefault(row.group_id, set()).add(row.case_hash)
    return {group: models.unseen(found) for group, found in hashes.items()}


def _see(
    rows: list[_Row],
    batch: Mapping[str, torch.Tensor],
    first: set[tuple[str, str]],
    answering: Mapping[str, Predictor | None],
    cases: dict[str, _Case],
) -> None:
    """Takes the next rows; those of others are passed over."""
    by_model: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if (str(row.patient_id), row.case_id) not in first:
            continue
        case = cases.setdefault(str(row.patient_id), _Case(row))
        case.true[row.slice_index] = zlib.compress(batch["mask"][number].numpy().tobytes(), FAST)
        inside = Box.around((batch["image"][number] != 0).any(dim=0).numpy()[None])
        if inside is not None:
            moved = Box((row.slice_index, *inside.low[1:]), (row.slice_index + 1, *inside.high[1:]))
            case.brain = moved if case.brain is None else case.brain.joined(moved)
        if (predictor := answering[row.group_id]) is not None:
            by_model.setdefault(id(predictor), []).append(number)
    for numbers in by_model.values():
        predictor = answering[rows[numbers[0]].group_id]
        assert predictor is not None
        for number, mask in zip(numbers, mask_of_prepared(predictor, batch["image"][numbers]), strict=True):
            row = rows[number]
            cases[str(row.patient_id)].predicted[row.slice_index] = zlib.compress(mask.tobytes(), FAST)


def _finished(place: Path, patient_id: str, case: _Case, size_px: int) -> ScannedMasks:
    if None in case.row.spacing_mm:
        raise DataError(
            f"{place}: no spacing is known of {patient_id!r}, so nothing can be measured in mm or ml. Prepare scans "
            "that have one, as NIfTI and DICOM do"
        )
    if case.brain is None:
        raise DataError(f"{place}: the scan of {patient_id!r} is empty; leave it out")
    spacing: Spacing = case.row.spacing_mm  # type: ignore[assignment]
    predicted = _volume(case.predicted, size_px, max(case.true)) if case.predicted else None
    true = _volume(case.true, size_px, max(case.true))
    return ScannedMasks(patient_id, case.row.group_id, true, predicted, case.brain, spacing)


def _volume(slices: Mapping[int, bytes], size_px: int, last: int) -> Labels:
    """(N,S,S); a slice that is not there shows nothing: it was left out of train for being empty."""
    volume = np.zeros((last + 1, size_px, size_px), dtype=np.uint8)
    for index, packed in slices.items():
        volume[index] = np.frombuffer(zlib.decompress(packed), dtype=np.uint8).reshape(size_px, size_px)
    return volume
