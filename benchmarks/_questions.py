"""Two small models of the shipped recipes, published, and questions whose right answers are known."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from _load import Answer, Question
from _small import small_run

from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.prepared import load_side
from glioray.data.records import TaskName
from glioray.evaluation.doubt import with_doubt
from glioray.registry.bundle import ModelBundle
from glioray.registry.run_folder import BUNDLE
from glioray.serving.predictor import Predictor

PIXELS = 128
RECIPES: dict[TaskName, str] = {"classification": "custom_cnn", "segmentation": "classic_unet"}
PATHS = {"classification": "/v1/classify", "segmentation": "/v1/segment?scaled=true"}
NUM_QUESTIONS = 24


@dataclass(frozen=True)
class Served:
    """A bundle, and what it is asked."""

    folder: Path
    questions: tuple[Question, ...]


def trained(task: TaskName, folder: Path) -> Served:
    """A model of the shipped recipe after one epoch on a phantom."""
    write_phantom(folder / "raw", PhantomSettings(num_patients=16, image_size=PIXELS, num_slices=8))
    run = small_run(RECIPES[task], folder / "raw", PIXELS, folder, {"budget.batch_size": 8})
    with_doubt(ModelBundle.load(run.folder / BUNDLE), run.data).save(folder / "model")
    bundle = ModelBundle.load(folder / "model")
    rows = load_side(run.data.folder, run.data.manifest, "train")["image"][:NUM_QUESTIONS].numpy()
    return Served(folder / "model", tuple(_question(task, Predictor.load(bundle), row) for row in rows))


def _question(task: TaskName, predictor: Predictor, row: NDArray[np.uint8]) -> Question:
    if task == "classification":
        expected = predictor.classify(row).probabilities

        def is_right(answer: Answer) -> bool:
            return all(abs(answer["probabilities"][name] - p) < 1e-4 for name, p in expected.items())

        return Question(PATHS[task], _png(row), is_right)
    mask = predictor.segment(row, is_scaled=True).mask

    def is_same(answer: Answer) -> bool:
        found = answer["mask"]
        # A batch rounds otherwise than one alone: a pixel on the edge of two labels may tip over.
        return bool(np.mean(np.repeat(found["values"], found["counts"]) != mask.ravel()) < 1e-3)

    return Question(PATHS[task], _npy(row), is_same)


def _png(row: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(row[0]).save(stream, "PNG")
    return stream.getvalue()


def _npy(row: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, row)
    return stream.getvalue()
