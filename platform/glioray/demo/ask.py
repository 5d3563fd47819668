"""Asks the running service about test images, and holds each answer against the evaluation's."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.client import Client
from glioray.data.image_file import decode_image
from glioray.data.prepared import PreparedDataset, load_side
from glioray.data.shards import read_columns
from glioray.errors import ServingError
from glioray.serving.drawing import grey_picture

NUM_ASKED = 4
TOLERANCE = 1e-5

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Asked:
    """One question and its answer: a picture (S,S), what is true, what the service said."""

    picture: Pixels
    caption: str
    truth: str | Pixels
    answer: dict[str, Any]
    predicted: Pixels | None = None


def ask_classifier(url: str, phantom: Path, data: PreparedDataset, run: Path) -> tuple[Asked, ...]:
    """Sends one original file of each class of the test side.

    Raises:
        ServingError: an answer differs from the evaluation's for that file.
        RequestError: the service does not answer.
    """
    rows = {row["truth"]: row for row in _evaluated(run)}
    asked = []
    with Client(url) as client:
        for name in data.manifest.contents.classes:
            file = phantom / rows[name]["source"]
            answer = client.classify(file)
            for kind, probability in answer["probabilities"].items():
                _require_equal(probability, float(rows[name][f"probability_{kind}"]), f"{file.name}: {kind}")
            asked.append(Asked(decode_image(file.read_bytes(), file.name)[0], file.name, name, answer))
    return tuple(asked)


def ask_segmenter(url: str, data: PreparedDataset, run: Path) -> tuple[Asked, ...]:
    """Sends the slice with the most tumor of some test patients, all sequences in one array.

    Raises:
        ServingError: an answer differs from the evaluation's for that slice.
        RequestError: the service does not answer.
    """
    rows = _evaluated(run)
    tensors = load_side(data.folder, data.manifest, "test")
    images, masks = tensors["image"].numpy(), tensors["mask"].numpy()
    patients = read_columns(data.folder, data.manifest, "test", ["patient_id"])["patient_id"]
    asked = []
    with Client(url) as client:
        for index in _fullest_slices(patients, masks)[:NUM_ASKED]:
            content = io.BytesIO()
            np.save(content, images[index])
            answer = client.segment(content.getvalue(), scaled=True)
            for label, area in answer["labels"].items():
                expected = int(rows[index][f"{label}_tp"]) + int(rows[index][f"{label}_fp"])
                _require_equal(area["pixels"], expected, f"{patients[index]}: pixels of {label}")
            runs = answer["mask"]
            predicted = np.repeat(np.array(runs["values"], np.uint8), runs["counts"]).reshape(runs["shape"])
            caption = f"{patients[index]}, slice {rows[index]['slice_index']}"
            asked.append(
                Asked(
                    grey_picture(images[index], data.manifest.contents.channels),
                    caption,
                    masks[index],
                    answer,
                    predicted,
                )
            )
    return tuple(asked)


def _fullest_slices(patients: list[str], masks: Pixels) -> list[int]:
    """Of each patient the row that shows the most tumor."""
    area = (masks > 0).sum(axis=(1, 2))
    fullest: dict[str, int] = {}
    for index, patient in enumerate(patients):
        if patient not in fullest or area[index] > area[fullest[patient]]:
            fullest[patient] = index
    return list(fullest.values())


def _evaluated(run: Path) -> list[dict[str, str]]:
    with (run / "evaluation" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _require_equal(served: float, evaluated: float, what: str) -> None:
    if abs(served - evaluated) > TOLERANCE:
        raise ServingError(f"{what}: the service says {served}, the evaluation said {evaluated}; see the service's log")
