"""Raw cases to staged rows: what each worker of a preparation runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data import sources
from glioray.data.duplicates import copy_views, thumbnails
from glioray.data.preprocessing import Frame, Prepared, Preprocessing, prepare_mask, prepare_volume
from glioray.data.records import Case, RawVolume, Refused
from glioray.data.sources import RawScans
from glioray.data.staging import Portion, Row, is_staged, stage
from glioray.errors import DataError, UnreadableError


@dataclass(frozen=True)
class PortionReader:
    """Reads and prepares the cases of a portion, and stages them in `folder`; a case that cannot be used is noted."""

    source: str
    scans: RawScans[Any]
    preprocessing: Preprocessing
    num_channels: int
    label_values: tuple[int, ...]
    folder: Path

    def __call__(self, portion: Portion) -> None:
        """Does nothing where an earlier run staged this portion."""
        if is_staged(self.folder, portion.key):
            return
        images, masks, views, rows, refused = [], [], [], [], []
        for case, case_hash in zip(portion.cases, portion.hashes, strict=True):
            try:
                raw, prepared, mask = self._read(case)
            except UnreadableError as error:
                refused.append(Refused(source=case.case_id, reason=str(error)))
                continue
            images.append(prepared.image)
            masks += [] if mask is None else [mask]
            views.append(self._views(case, raw, prepared))
            rows += _rows(case, case_hash, raw, prepared, self._label_pixels(prepared, mask))
        stage(self.folder, portion.key, images, masks, views, rows, refused)

    def _read(self, case: Case) -> tuple[RawVolume, Prepared, NDArray[np.uint8] | None]:
        raw = sources.load(self.source).read(self.scans, case)
        try:
            prepared = prepare_volume(raw.image, self.preprocessing)
        except UnreadableError:
            raise
        except DataError as error:
            raise UnreadableError(f"{case.case_id}: {error}") from None
        if prepared.image.shape[1] != self.num_channels:
            raise UnreadableError(
                f"{case.case_id}: {prepared.image.shape[1]} channels; this data set has {self.num_channels}."
            )
        return raw, prepared, None if raw.mask is None else prepare_mask(raw.mask, prepared.frame)

    def _views(self, case: Case, raw: RawVolume, prepared: Prepared) -> NDArray[np.float32]:
        """(V, N, 1024): of single images all that copies are looked for in, of the slices of a volume one."""
        if case.label is None:
            return thumbnails(_grey(prepared.image))[None]
        pictures = [raw.image, prepared.image] if self.preprocessing.crop_head else [prepared.image]
        return copy_views(*map(_grey, pictures))

    def _label_pixels(self, prepared: Prepared, mask: NDArray[np.uint8] | None) -> NDArray[np.int64]:
        """(N, K) pixels of each label in each slice."""
        if mask is None:
            return np.zeros((len(prepared.image), 0), dtype=np.int64)
        return np.stack([(mask == value).sum(axis=(1, 2)) for value in self.label_values], axis=1)


def _grey(image: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W)"""
    return image[:, 0] if image.shape[1] == 1 else image.mean(axis=1, dtype=np.float32)


def _rows(case: Case, case_hash: str, raw: RawVolume, prepared: Prepared, label_pixels: NDArray[np.int64]) -> list[Row]:
    spacing = _prepared_spacing(raw.spacing_mm, prepared.frame)
    height, width = raw.image.shape[2:]
    return [
        Row(
            case_id=case.case_id,
            case_hash=case_hash,
            source=name,
            slice_index=raw.slice_indices[number],
            label=case.label,
            patient_id=case.patient_id,
            published_side=case.published_side,
            brain_mean=float(prepared.brain_mean[number]),
            brain_std=float(prepared.brain_std[number]),
            brain_fraction=float(prepared.brain_fraction[number]),
            raw_height=height,
            raw_width=width,
            spacing_mm=spacing,
            raw_spacing_mm=raw.spacing_mm,
            label_pixels=tuple(label_pixels[number].tolist()),
            intensity=tuple((float(low), float(step)) for low, step in prepared.scale),
        )
        for number, name in enumerate(raw.sources)
    ]


def _prepared_spacing(raw_mm: Sequence[float] | None, frame: Frame) -> tuple[float, float, float] | None:
    """Rows and columns grow with the resize; slices stay where they are."""
    if raw_mm is None:
        return None
    zoom = frame.side / frame.image_size
    return float(raw_mm[0]), float(raw_mm[1]) * zoom, float(raw_mm[2]) * zoom
