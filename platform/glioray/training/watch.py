"""Turns the progress of a run into bars and lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glioray.training.news import Progress
from glioray.training.watching.listener import Listener
from glioray.training.watching.scalars import RATE, scalars


@dataclass(frozen=True)
class Watcher(Listener):
    """Draws one bar over the whole run, and says a line an epoch, with the `measure` that chooses it."""

    bar: Callable[[str, int, int], None]
    say: Callable[[str], None]
    measure: str

    def step(self, progress: Progress) -> None:
        """Draws and says."""
        rows = (progress.epoch - 1) * progress.rows_of_epoch + progress.rows
        self.bar("train, images", rows, progress.epochs * progress.rows_of_epoch)
        metrics = progress.metrics
        if metrics is not None:
            best = "  best" if metrics["best_epoch"] == metrics["epoch"] else ""
            self.say(
                f"epoch {progress.epoch:>3}/{progress.epochs}  loss {metrics['loss']:.4f}  "
                f"val loss {metrics['val/loss']:.4f}  val {self.measure} {metrics['score']:.4f}  "
                f"{metrics['epoch_s']:.1f} s  {scalars(metrics)[RATE]:,.0f} images/s{best}"
            )
