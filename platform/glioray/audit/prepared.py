"""A prepared folder as something to audit: its shards, its sides or folds, its labels and patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.audit.pictures import Picture, Pictures, margins, pixel_hash, small
from glioray.data.duplicates import copy_views, thumbnails
from glioray.data.prepared import PreparedDataset
from glioray.data.progress import OnProgress
from glioray.data.shards import iterate_batches, read_columns, read_rows

COLUMNS = ("source", "patient_id", "slice_index", "raw_height", "raw_width", "group_id", "brain_fraction")
BATCH = 64


def read_prepared(folder: Path, tell: OnProgress) -> Pictures:
    """Every row of the shards.

    Raises:
        DataError: the folder is damaged.
        SchemaError: another version of glioray prepared it.
    """
    data = PreparedDataset.open(folder)
    manifest = data.manifest
    total = sum(counts.rows for counts in manifest.counts.values())
    rows: list[Picture] = []
    places: list[tuple[str, int]] = []
    views = []
    for part in manifest.parts:
        start = len(rows)
        for pictures, seen in _read_part(data, part):
            rows += pictures
            views.append(seen)
            tell("read", len(rows), total)
        places += [(part, number) for number in range(len(rows) - start)]
    return Pictures(
        what="prepared data set",
        rows=rows,
        views=np.concatenate(views, axis=1),
        refused=manifest.refused,
        remarks=(),
        draw=lambda wanted: _draw(data, places, wanted),
        is_volumes=manifest.contents.task == "segmentation",
        as_prepared=str(manifest.leak) if manifest.leak else None,
    )


def _read_part(data: PreparedDataset, part: str) -> Iterator[tuple[list[Picture], NDArray[np.float32]]]:
    """Portions of the rows with their views (V, n, 1024)."""
    classes = data.manifest.contents.classes
    views_of = _thumbnails if data.manifest.contents.task == "segmentation" else copy_views
    columns = read_columns(data.folder, data.manifest, part, COLUMNS)
    columns["group_id"] = [data.manifest.whole_group(name) for name in columns["group_id"]]
    identity = list(zip(*(columns[name] for name in COLUMNS), strict=True))
    start = 0
    for batch in iterate_batches(data.folder, data.manifest, part, BATCH):
        images = batch["image"].numpy()
        grey = _grey(images)
        labels = [classes[label] for label in batch["label"].tolist()] if "label" in batch else [None] * len(images)
        mine = identity[start : start + len(images)]
        yield [_picture(part, *row) for row in zip(mine, labels, images, grey, strict=True)], views_of(grey)
        start += len(images)


def _picture(
    part: str, identity: tuple[Any, ...], label: str | None, image: NDArray[np.uint8], grey: NDArray[np.float32]
) -> Picture:
    source, patient, slice_index, height, width, group, brain_fraction = identity
    return Picture(
        name=source if patient is None or slice_index == 0 else f"{source} [{slice_index}]",
        label=label,
        side=part,
        patient=patient,
        file_hash=None,
        pixel_hash=pixel_hash(image),
        before={"width": float(width), "height": float(height), "aspect": width / height},
        after=margins(grey),
        group=group,
        brain_fraction=float(brain_fraction),
    )


def _grey(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, S, S) of (N, C, S, S): the mean of the channels, not rounded, as `prepare` compares it."""
    grey: NDArray[np.float32] = images.mean(axis=1, dtype=np.float32)
    return grey


def _thumbnails(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1, N, 1024): the one view in which slices of volumes are compared."""
    return thumbnails(grey)[None]


def _draw(
    data: PreparedDataset, places: Sequence[tuple[str, int]], wanted: Sequence[int]
) -> dict[int, NDArray[np.uint8]]:
    drawn: dict[int, NDArray[np.uint8]] = {}
    for part in data.manifest.parts:
        mine = {places[index][1]: index for index in wanted if places[index][0] == part}
        found = read_rows(data.folder, data.manifest, part, mine) if mine else {}
        drawn |= {
            mine[number]: small(np.rint(_grey(row["image"][None])[0]).astype(np.uint8)) for number, row in found.items()
        }
    return drawn
