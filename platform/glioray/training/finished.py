"""What is left of a run at its end, wherever it ran: metrics, curves, and the bundle of the best epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioray.errors import BundleError
from glioray.training.checkpoints import Say, best_sound, checkpoints, damage, epoch_of
from glioray.training.news import AGAIN, Metrics
from glioray.training.plan import Plan
from glioray.training.record import CURVES, draw_curves, write_at_once, write_bundle, write_metrics
from glioray.training.state import read_history


@dataclass(frozen=True)
class Run:
    """A finished run: the bundle of its best epoch, one row of metrics an epoch, and how it was fed."""

    bundle: Path
    history: list[Metrics]
    feeding: str


def finish(plan: Plan, feeding: str, say: Say) -> Run:
    """Writes what is left, from the checkpoints that were kept.

    Args:
        plan: of the run.
        feeding: how the workers came by their rows.
        say: told in a line where the best epoch is damaged, and another takes its place.

    Raises:
        BundleError: the last checkpoint was damaged since it was written.
    """
    newest = checkpoints(plan.folder)[-1]
    if trouble := damage(newest):
        raise BundleError(f"{newest}: damaged, {trouble}; {AGAIN}")
    history = read_history(newest)
    best = best_sound(plan.folder, [row["score"] for row in history], int(history[-1]["best_epoch"]), say)
    history[-1]["best_epoch"] = epoch_of(best)
    write_metrics(plan.folder, history)
    write_at_once(plan.folder / CURVES, draw_curves(history))
    bundle = write_bundle(plan.folder, plan.recipe, plan.data, best, epoch_of(best))
    return Run(bundle, history, feeding)
