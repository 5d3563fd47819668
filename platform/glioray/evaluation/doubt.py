"""What the sides that a model learned from say of its doubt: how sure its answers may be, and which images it knows.

Part of step 4, before the test side is read. Source of the temperature: Guo 2017, arXiv 1706.04599.

Shapes: N rows, K classes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from glioray.data.prepared import PreparedDataset
from glioray.data.progress import silent
from glioray.data.shards import iterate_batches
from glioray.evaluation.pool import Pool
from glioray.evaluation.side import SideRows
from glioray.registry.bundle import Calibration, ModelBundle
from glioray.serving.domain import Domain, look
from glioray.serving.predictor import Predictor, tempered
from glioray.tasks.classification import Classification

BATCH_SIZE = 64
MOST_TEMPERATURE = 10.0


def with_doubt(bundle: ModelBundle, dataset: PreparedDataset) -> ModelBundle:
    """The bundle with the temperature of its probabilities and the space of images that it knows.

    It is left as it is where it has them, and where the data are not those that it was trained from.

    Args:
        bundle: a model that is not published yet.
        dataset: the data of its training, in the view of its fold.
    """
    config = bundle.config
    if bundle.domain or dataset.manifest.fingerprint != config.data_fingerprint:
        return bundle
    domain = _domain(dataset)
    found = replace(bundle, domain=domain.tensors() if domain else {})
    if config.contents.task != "classification":
        return found
    return replace(found, config=config.model_copy(update={"calibration": _calibration(bundle, dataset)}))


def best_temperature(truth: Tensor, probabilities: Tensor) -> float:
    """What makes the truth (N,) most likely under probabilities (N,K); between 1/10 and 10."""
    log_p = probabilities.double().clamp(min=torch.finfo(torch.float32).tiny).log()

    def surprise(log_temperature: float) -> float:
        return float(torch.nn.functional.nll_loss((log_p / np.exp(log_temperature)).log_softmax(1), truth))

    end = np.log(MOST_TEMPERATURE)
    return float(np.exp(minimize_scalar(surprise, bounds=(-end, end), method="bounded").x))


def _calibration(bundle: ModelBundle, dataset: PreparedDataset) -> Calibration:
    predictor = Predictor.load(bundle)
    rows = SideRows.read(dataset, "val")
    predicted = [(batch["label"], found) for batch, found in rows.predicted(predictor, BATCH_SIZE, silent)]
    truth, probabilities = (torch.cat(values) for values in zip(*predicted, strict=True))
    temperature = best_temperature(truth, probabilities)
    task, pool = Classification(bundle.config.contents.classes), Pool((rows,))

    def error(answers: Tensor) -> float:
        return task.metrics(task.counts(answers, {"label": truth}))["ece"]

    return Calibration(
        temperature=temperature,
        ece_before=error(probabilities),
        ece_after=error(tempered(probabilities, temperature)),
        units=len(pool.units),
        unit=pool.unit,
    )


def _domain(dataset: PreparedDataset) -> Domain | None:
    train, groups = _looks(dataset, "train")
    val, _ = _looks(dataset, "val")
    return Domain.fit(train, groups, val)


def _looks(dataset: PreparedDataset, side: str) -> tuple[Tensor, Tensor]:
    """Of every row of a side that shows something, and its group."""
    looks, groups = [], []
    for batch in iterate_batches(dataset.folder, dataset.manifest, side, BATCH_SIZE):
        flat = batch["image"].flatten(1)
        shows = flat.amax(1) > flat.amin(1)
        looks.append(look(batch["image"][shows]))
        groups.append(batch["group_index"][shows])
    return torch.cat(looks), torch.cat(groups)
