"""What the gates of a network do on one side of a data set, and what Dice the answer loses without them.

Shapes: N rows, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glioray.data.preprocessing import normalize
from glioray.errors import ModelError
from glioray.evaluation.side import SideRows
from glioray.explain.gates import GateFigures, gate_figures, gate_names, gradient_norms, replaced_gates
from glioray.registry.bundle import ModelBundle
from glioray.serving.predictor import Predictor
from glioray.tasks import _contract as tasks
from glioray.tasks._contract import add
from glioray.tasks.segmentation import Segmentation

BATCH_SIZE, GRADIENT_ROWS = 32, 48
ALL = "all"


@dataclass(frozen=True)
class GateStudy:
    """The gates of one set of weights, by name, the lowest level first.

    `lost` is the mean Dice over patients that goes with what a gate says of places (its map replaced by its mean over
    all images), or with its whole skip (replaced by 0); `all` at once. `gradient` is the length of the gradient of the
    training loss over a gate's parameters; `all` of the network's.
    """

    dice: float
    gates: dict[str, GateFigures]
    lost: dict[str, dict[str, float]]
    gradient: dict[str, float]


def study_gates(bundle: ModelBundle, rows: SideRows) -> GateStudy:
    """Of a segmentation model with gates, on a side of the data that it fits; answers are not mirrored.

    Raises:
        ModelError: the network has no gates.
    """
    predictor = Predictor.load(bundle)
    names = require_gates(predictor)
    figures = gate_figures(predictor.network, _inputs(predictor, rows))
    dice = _dice(predictor, rows, {})
    lost = {}
    for what, values in (("places", {name: figures[name].mean for name in names}), ("skip", dict.fromkeys(names, 0.0))):
        chosen = {name: {name: value} for name, value in values.items()} | {ALL: values}
        lost[what] = {name: dice - _dice(predictor, rows, gates) for name, gates in chosen.items()}
    return GateStudy(dice, figures, lost, _gradients(bundle, rows, names))


def require_gates(predictor: Predictor) -> list[str]:
    """The names of its gates.

    Raises:
        ModelError: it has none.
    """
    signature = predictor.config.signature
    blank = torch.zeros(1, signature.in_channels, signature.image_size, signature.image_size)
    names = gate_names(predictor.network, blank.to(predictor.device))
    if not names:
        raise ModelError(f"{predictor.config.architecture} has no gates; attention_unet is the network that has them")
    return names


def _inputs(predictor: Predictor, rows: SideRows) -> Iterator[tuple[Tensor, Tensor]]:
    for batch in rows.batches(BATCH_SIZE):
        yield predictor.normalized(batch["image"]), batch["mask"] > 0


def _dice(predictor: Predictor, rows: SideRows, gates: Mapping[str, float]) -> float:
    """Mean over the patients of the side, of the mask that the network gives without mirroring."""
    manifest = rows.dataset.manifest
    task = tasks.build(manifest.contents, predictor.config.checked_recipe.loss, len(rows.dataset.split.patients))
    assert isinstance(task, Segmentation)
    counts = task.zero_counts()
    with torch.inference_mode(), replaced_gates(predictor.network, gates):
        for batch in rows.batches(BATCH_SIZE):
            probabilities = predictor.mirrored_mean(batch["image"], "none").cpu()
            counts = add(counts, task.count_masks(predictor.label_map(probabilities), batch))
    return float(task.metrics(counts)["dice"])


def _gradients(bundle: ModelBundle, rows: SideRows, names: list[str]) -> dict[str, float]:
    """Over rows of the side as far from each other as can be, of the loss that the model learned by."""
    chosen = np.linspace(0, len(rows.identity) - 1, min(GRADIENT_ROWS, len(rows.identity))).round().astype(int)
    picked = list(rows.pick(chosen.tolist(), BATCH_SIZE).values())
    batch = {name: torch.stack([row[name] for row in picked]) for name in picked[0]}
    config = bundle.config
    task = tasks.build(rows.dataset.manifest.contents, config.checked_recipe.loss, len(rows.dataset.split.patients))
    model = bundle.build().train()
    images = normalize(batch["image"], config.normalization).contiguous(memory_format=torch.channels_last)
    loss = task.loss(model(images), batch)
    return gradient_norms(model, loss, names)
