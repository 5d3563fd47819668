"""`tensorboard/`: an event file with every metric of every epoch, and the recipe as its hyperparameters.

Written by tensorboardX's record writer and not by its `SummaryWriter`, which writes in a thread: there a full disk
would be noticed by nobody, and then block the driver.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import hparams, scalar

from glioray.plain_values import flat
from glioray.training.plan import Plan
from glioray.training.record import History
from glioray.training.watching.listener import Listener
from glioray.training.watching.scalars import scalars

FOLDER = "tensorboard"
_VERSION = "brain.Event:2"


class TensorBoard(Listener):
    """Adds a point an epoch. Where an epoch comes again the file is written anew: no point stands twice."""

    name = "TensorBoard"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._file: RecordWriter | None = None
        self._written = 0

    def begin(self, history: History) -> None:
        """Recipe, and the epochs of before."""
        self._write_anew(history)

    def epoch(self, history: History) -> None:
        """One more."""
        if self._file is None or len(history) != self._written + 1:
            self._write_anew(history)
        else:
            self._add(history[-1:])

    def end(self, history: History, bundle: Path | None) -> None:
        """What is missing, and that it was a success."""
        if self._file is None or len(history) != self._written:
            self._write_anew(history)
        if bundle is not None:
            self._append([Event(wall_time=time.time(), summary=self._hyperparameters()[2])])
        if self._file is not None:
            self._file.close()
        self._file = None

    def _write_anew(self, history: History) -> None:
        folder = self._plan.folder / FOLDER
        if self._file is not None:
            self._file.close()
        folder.mkdir(exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        # TensorBoard reads every file whose name has `tfevents` in it, in the order of their names.
        self._file, self._written = RecordWriter(str(folder / f"events.out.tfevents.{time.time():.0f}.glioray")), 0
        start = self._hyperparameters()[:2]
        now = time.time()
        self._append(
            [Event(wall_time=now, file_version=_VERSION), *(Event(wall_time=now, summary=each) for each in start)]
        )
        self._add(history)

    def _add(self, rows: History) -> None:
        self._append(
            Event(wall_time=time.time(), step=int(row["epoch"]), summary=scalar(name, value))
            for row in rows
            for name, value in scalars(row).items()
        )
        self._written += len(rows)

    def _append(self, events: Iterable[Any]) -> None:
        assert self._file is not None
        for event in events:
            self._file.write(event.SerializeToString())
        self._file.flush()

    def _hyperparameters(self) -> tuple[Any, Any, Any]:
        """Experiment, start and end as TensorBoard's plugin wants them."""
        settings = flat(self._plan.recipe.values())
        kinds = (bool, int, float, str)
        values = {name: value if isinstance(value, kinds) else str(value) for name, value in settings.items()}
        found: tuple[Any, Any, Any] = hparams(values, dict.fromkeys(("score", "loss", "val/loss"), 0.0))
        return found
