"""What Ray's metrics say of a run: names, meaning, and where each value comes from. Without Ray, so that tests can ask.

Prometheus knows them with Ray's prefix, as `ray_glioray_loss`; `docs/grafana/glioray.json` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping

from glioray.training.news import Progress
from glioray.training.record import History, best_row
from glioray.training.watching.scalars import RATE, SPILLED, STORE, WAITING, scalars

TAGS = ("task", "model", "run")
GAUGES: Mapping[str, str] = {
    "glioray_progress": "share of the epochs that is done, 0 to 1, within an epoch too",
    "glioray_step_loss": "loss of the newest update",
    "glioray_epoch": "epochs that are done",
    "glioray_epochs": "epochs that were asked for",
    "glioray_loss": "mean training loss of the last epoch",
    "glioray_val_loss": "loss on val after the last epoch",
    "glioray_score": "score on val after the last epoch",
    "glioray_best_score": "highest score on val so far",
    "glioray_learning_rate": "at the end of the last epoch",
    "glioray_images_per_second": "learned from in the last epoch, over all workers",
    "glioray_epoch_seconds": "the last epoch took, validation included",
    "glioray_wait_share": "share of the last epoch's training that the workers waited for data, 0 to 1",
    "glioray_store_peak_megabytes": "most of the object store that was in use at once in the last epoch, all nodes",
    "glioray_spilled_megabytes": "that the object store wrote to disk in the last epoch, all nodes",
}
_OF_ROW = {
    "loss": "glioray_loss",
    "val/loss": "glioray_val_loss",
    "score": "glioray_score",
    "learning_rate": "glioray_learning_rate",
    RATE: "glioray_images_per_second",
    "epoch_s": "glioray_epoch_seconds",
    WAITING: "glioray_wait_share",
    STORE: "glioray_store_peak_megabytes",
    SPILLED: "glioray_spilled_megabytes",
}


def of_step(progress: Progress) -> dict[str, float]:
    """Within an epoch."""
    done = progress.epoch - 1 + progress.rows / max(1, progress.rows_of_epoch)
    return {"glioray_progress": min(1.0, done / progress.epochs), "glioray_step_loss": progress.loss}


def of_history(history: History, epochs: int) -> dict[str, float]:
    """After an epoch, whose row is the last; a value that is not a number is left out."""
    if not history:
        return {"glioray_epoch": 0.0, "glioray_epochs": float(epochs)}
    found = {_OF_ROW[name]: value for name, value in scalars(history[-1]).items() if name in _OF_ROW}
    best = scalars(best_row(history)).get("score")
    if best is not None:
        found["glioray_best_score"] = best
    return {**found, "glioray_epoch": float(len(history)), "glioray_epochs": float(epochs)}
