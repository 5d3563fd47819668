"""Images and cases of a prepared data set, with their truth and with the split that they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glioray.data.preprocessing import Frame
from glioray.data.records import Side
from glioray.errors import DataError
from glioray.evaluation.matching import require_fit
from glioray.evaluation.side import SideRows
from glioray.evaluation.tested import open_data
from glioray.insight.subject import Subject
from glioray.registry.bundle import BundleConfig
from glioray.serving import drawing
from glioray.serving.predictor import PreparedSlice

BATCH_SIZE = 64


def subjects_of(config: BundleConfig, folder: Path, side: Side, num: int) -> list[Subject]:
    """Images of a classifier's data, or cases of a segmentation model's with all their slices, spread over a side.

    Args:
        config: of the model.
        folder: that `glioray prepare` wrote.
        side: train, val or test.
        num: how many at most.

    Raises:
        ModelError: the data are of another kind than those that the model was trained from.
        DataError: the folder was not prepared, or is damaged.
    """
    dataset = open_data(folder, config)
    require_fit(config, dataset.manifest, str(folder))
    rows = SideRows.read(dataset, side)
    if not rows.identity:
        raise DataError(f"{folder}: there is nothing on {side}; ask for another --side")
    groups = (
        _rows_of_cases(rows) if config.contents.task == "segmentation" else [[n] for n in range(len(rows.identity))]
    )
    places = np.linspace(0, len(groups) - 1, min(num, len(groups))).round().astype(int)
    chosen = [groups[place] for place in places]
    return [_subject(config, rows, numbers) for numbers in chosen]


def _rows_of_cases(rows: SideRows) -> list[list[int]]:
    """The rows of each case, its slices from the lowest up."""
    found: dict[object, list[int]] = {}
    for number, case in enumerate(rows.cases):
        found.setdefault(case, []).append(number)
    return [sorted(numbers, key=lambda number: rows.identity[number].slice_index) for numbers in found.values()]


def _subject(config: BundleConfig, rows: SideRows, numbers: Sequence[int]) -> Subject:
    picked = rows.pick(numbers, BATCH_SIZE)
    images = np.stack([picked[number]["image"].numpy() for number in numbers])
    size_px = images.shape[-1]
    frame = Frame(size_px, size_px, 0, 0, size_px, size_px)
    first = picked[numbers[0]]
    contents, row = config.contents, rows.identity[numbers[0]]
    is_classification = contents.task == "classification"
    return Subject(
        name=row.source if is_classification else row.case_id,
        slices=[PreparedSlice(image, frame) for image in images],
        grey=images[:, contents.channels.index(drawing.shown(contents.channels))],
        mask=None if is_classification else np.stack([picked[number]["mask"].numpy() for number in numbers]),
        label=contents.classes[int(first["label"])] if is_classification else None,
        about=about(config, rows),
    )


def about(config: BundleConfig, rows: SideRows) -> str:
    """Which split rows stand on, and whether a figure of them is too good."""
    manifest, side = rows.dataset.manifest, rows.side
    parts = [manifest.split_line(side)]
    if side == "val":
        parts.append("which chose the epoch")
    if side == "test" and manifest.leak:
        parts.append(str(manifest.leak))
    elif side != "val" and set(rows.dataset.case_hashes(side)) & set(config.learned_from):
        parts.append("leaky: the model learned from scans of this side")
    return "; ".join(parts)
