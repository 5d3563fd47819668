"""Tells everyone who wants to know how a training goes; whoever fails at it is left out and ends nothing."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from glioray.registry.run_folder import BUNDLE
from glioray.remote import without_password
from glioray.training.news import Progress
from glioray.training.plan import Plan
from glioray.training.record import History, read_metrics

MOST_LETTERS = 160  # of another's error message


class Listener:
    """Is told and does nothing; a kind of it overrides what it needs. Every method may fail."""

    name = "listener"

    def begin(self, history: History) -> None:
        """Before the first epoch; `history` has a row for each epoch of a run that is gone on with."""

    def step(self, progress: Progress) -> None:
        """About twice a second, and at the end of each epoch."""

    def epoch(self, history: History) -> None:
        """At the end of an epoch, whose row is the last; an epoch that was lost with a worker comes again."""

    def end(self, history: History, bundle: Path | None) -> None:
        """Once; without a bundle the training was ended before its last epoch."""


class Audience:
    """Told every `Progress`, hands on what happened.

    Args:
        plan: what is trained.
        listeners: in the order in which they are told.
        say: for one line to the person.
    """

    def __init__(self, plan: Plan, listeners: Sequence[Listener], say: Callable[[str], None]) -> None:
        self._folder, self._say = plan.folder, say
        self._all, self._listening = tuple(listeners), list(listeners)
        self._history = read_metrics(plan.folder)

    def begin(self) -> None:
        """The driver is about to train."""
        self._tell(lambda listener: listener.begin(self._history))

    def __call__(self, progress: Progress) -> None:
        """Within an epoch, or at the end of one."""
        self._tell(lambda listener: listener.step(progress))
        if progress.metrics is not None:
            self._history = [*self._history_to(progress.epoch), progress.metrics]
            self._tell(lambda listener: listener.epoch(self._history))

    def end(self, bundle: Path | None) -> None:
        """Training is over. Who failed before gets another try: a server may be back."""
        self._listening = list(self._all)
        self._history = read_metrics(self._folder) or self._history
        self._tell(lambda listener: listener.end(self._history, bundle), "the run itself is whole")

    def _history_to(self, epoch: int) -> History:
        """The rows before an epoch, whether this driver saw them or another."""
        if len(self._history) < epoch - 1:
            self._history = read_metrics(self._folder)
        return [row for row in self._history if row["epoch"] < epoch]

    def _tell(self, call: Callable[[Listener], None], comfort: str = "training goes on without it") -> None:
        for listener in tuple(self._listening):
            try:
                call(listener)
            except Exception as error:  # whatever it is: hours of training weigh more
                self._listening.remove(listener)
                self._say(f"{listener.name} fails ({type(error).__name__}: {first_line(error)}); {comfort}")


@contextlib.contextmanager
def told(plan: Plan, listeners: Sequence[Listener], say: Callable[[str], None]) -> Iterator[Audience]:
    """An audience for as long as the context lasts: it is told the beginning, and the end however it comes."""
    audience = Audience(plan, listeners, say)
    audience.begin()
    try:
        yield audience
    except BaseException:
        audience.end(None)
        raise
    audience.end(plan.folder / BUNDLE)


def first_line(error: Exception) -> str:
    """What another's error says, short enough for a line, and without a password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(without_password(lines[0]), MOST_LETTERS, placeholder=" ...")
