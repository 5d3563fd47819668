"""A bundle's answers to every row of one side of a data set, by the service's own path, `serving/predictor.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from glioray.data.prepared import PreparedDataset
from glioray.data.progress import OnCount, silent
from glioray.data.records import Side
from glioray.errors import DataError
from glioray.evaluation import outlines
from glioray.evaluation.answers import Answers, answer
from glioray.evaluation.leak import require_unseen
from glioray.evaluation.matching import require_fit
from glioray.evaluation.outlines import Labels, Outlines
from glioray.evaluation.side import SideRows
from glioray.evaluation.strangers import strangers
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.serving.predictor import Predictor
from glioray.tasks import _contract as tasks
from glioray.tasks.classification import Classification
from glioray.tasks.segmentation import Segmentation

BATCH_SIZE = 32


@dataclass(frozen=True)
class Tested:
    """What a model said of every row of a side."""

    config: BundleConfig
    rows: SideRows
    task: tasks.Task
    answers: Answers | Outlines
    flagged: Tensor | None = None
    """(N,) which rows are unlike those that it learned from; none where that is not known"""
    name: str = ""
    """of its run, where several are reported together"""


def answered(
    bundle: ModelBundle,
    data: Path,
    side: Side = "test",
    on_progress: OnCount | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = BATCH_SIZE,
    leaky: bool = False,
    on_masks: Callable[[Labels], None] | None = None,
) -> Tested:
    """Predicts every row of a side; arguments as of `run.evaluate`, and `on_masks` as of `outlines.outline`.

    Raises:
        ModelError: the data are of another kind than those that the model was trained from.
        LeakError: it has learned from scans of the side, and `leaky` does not allow it.
        DataError: the folder was not prepared, or its shards are not those of its manifest.
    """
    dataset = open_data(data, bundle.config)
    require_fit(bundle.config, dataset.manifest, str(data))
    dataset.verify(hashes=True)
    rows = SideRows.read(dataset, side)
    if not leaky:
        require_unseen("the model", bundle.config, rows, "; or give --leaky, and every score says that it is leaky")
    predictor = Predictor.load(bundle, device)
    loss = bundle.config.checked_recipe.loss
    # Of the data's contents: its regions are the ones to score.
    task = tasks.build(dataset.manifest.contents, loss, num_patients=1)
    show = on_progress or silent
    if isinstance(task, Classification):
        answers: Answers | Outlines = answer(predictor, rows, batch_size, show)
    else:
        assert isinstance(task, Segmentation)
        answers = outlines.outline(task, predictor, rows, batch_size, show, on_masks)
    return Tested(bundle.config, rows, task, answers, strangers(predictor, rows, batch_size))


def open_data(data: Path, config: BundleConfig) -> PreparedDataset:
    """Of folds, the view that the model was trained on: its test side is the fold that it has not seen.

    Raises:
        DataError: the data are folds, and the model was trained without: none of them is its test side.
    """
    fold = config.recipe["data"].get("fold")
    whole = PreparedDataset.open(data)
    if whole.manifest.settings.folds is None:
        return whole
    if fold is None:
        raise DataError(
            f"{data}: these data are {whole.manifest.settings.folds} folds; the model was trained without. Prepare "
            "them without folds to evaluate it on them"
        )
    return PreparedDataset.open(data, fold)
