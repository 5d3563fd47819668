"""What is left of a run at its end, wherever it ran: metrics, curves, and the bundle of the best epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioray.data.prepared import PreparedDataset
from glioray.errors import BundleError
from glioray.recipe import Recipe
from glioray.registry.run_folder import BUNDLE
from glioray.training.checkpoints import Say, best_sound, checkpoints, damage, epoch_of
from glioray.training.news import AGAIN
from glioray.training.plan import Plan
from glioray.training.record import History, write_bundle, write_curves, write_metrics
from glioray.training.state import read_history


@dataclass(frozen=True)
class Run:
    """A finished run: the bundle of its best epoch, one row of metrics an epoch, and how it was fed."""

    bundle: Path
    history: History
    feeding: str


def finish(plan: Plan, feeding: str, say: Say) -> Run:
    """Writes what is left, from the checkpoints that were kept.

    Args:
        plan: of the run.
        feeding: how the workers came by their rows.
        say: see `write_best`.

    Raises:
        BundleError: see `write_best`.
    """
    history = write_best(plan.folder, plan.recipe, plan.data, say)
    write_curves(plan.folder, history)
    return Run(plan.folder / BUNDLE, history, feeding)


def write_best(folder: Path, recipe: Recipe, data: PreparedDataset, say: Say) -> History:
    """Writes the metrics and the bundle of the best epoch; gives the metrics.

    Args:
        folder: of the run.
        recipe: that it was trained by.
        data: that it was trained on.
        say: told in a line where the best epoch is damaged, and another takes its place.

    Raises:
        BundleError: the last checkpoint was damaged since it was written.
    """
    newest = checkpoints(folder)[-1]
    if trouble := damage(newest):
        raise BundleError(f"{newest}: damaged, {trouble}; {AGAIN}")
    history = read_history(newest)
    best = best_sound(folder, [row["score"] for row in history], int(history[-1]["best_epoch"]), say)
    history[-1]["best_epoch"] = epoch_of(best)
    write_metrics(folder, history)
    write_bundle(folder, recipe, data, best, epoch_of(best))
    return history
