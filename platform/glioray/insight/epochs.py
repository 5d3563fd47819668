"""The gates of a run over its epochs: of every checkpoint that its folder has kept."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch

from glioray.data.progress import OnProgress
from glioray.data.records import Side
from glioray.errors import BundleError
from glioray.evaluation.side import SideRows
from glioray.evaluation.tested import open_data
from glioray.insight.gate_study import GateStudy, study_gates
from glioray.registry.bundle import ModelBundle
from glioray.training.checkpoints import checkpoints, damage, epoch_of
from glioray.training.state import MODEL


def bundles_by_epoch(folder: Path, bundle: ModelBundle) -> dict[int, ModelBundle]:
    """The network that answers as it was after each epoch whose checkpoint is there.

    Args:
        folder: of a run.
        bundle: of the same run.

    Raises:
        BundleError: it has kept no checkpoint, or one is damaged.
    """
    found = {}
    for checkpoint in checkpoints(folder):
        if trouble := damage(checkpoint):
            raise BundleError(f"{checkpoint}: damaged, {trouble}; move it away to look at the others")
        weights = safetensors.torch.load_file(checkpoint / MODEL)
        config = bundle.config.model_copy(update={"epoch": epoch_of(checkpoint), "smallest_part_px": 0, "scores": ()})
        found[epoch_of(checkpoint)] = ModelBundle(config, weights)
    if not found:
        raise BundleError(f"{folder}: has kept no checkpoints; --epochs looks at those of a run's folder")
    return found


def study_epochs(
    folder: Path, bundle: ModelBundle, data: Path, side: Side, on_progress: OnProgress
) -> dict[int, GateStudy]:
    """By epoch; raises as `bundles_by_epoch`, `open_data` and `study_gates`."""
    rows = SideRows.read(open_data(data, bundle.config), side)
    found = bundles_by_epoch(folder, bundle)
    studies = {}
    for done, (epoch, one) in enumerate(found.items(), 1):
        studies[epoch] = study_gates(one, rows)
        on_progress("epochs", done, len(found))
    return studies
