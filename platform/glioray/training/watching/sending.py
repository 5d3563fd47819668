"""What the driver wrote goes to the run's address after every epoch, where the run lies at one."""

from __future__ import annotations

from pathlib import Path

from glioray.training.plan import Plan
from glioray.training.record import History
from glioray.training.watching.listener import Listener


class Sending(Listener):
    """Page, curves and events; the workers send their checkpoints themselves."""

    def __init__(self, plan: Plan) -> None:
        self.name = f"sending to {plan.place.place}"
        self._place = plan.place

    def begin(self, history: History) -> None:
        """Recipe and page are there before the first epoch ends."""
        del history
        self._place.send()

    def epoch(self, history: History) -> None:
        """What is new."""
        del history
        self._place.send()

    def end(self, history: History, bundle: Path | None) -> None:
        """What the other listeners wrote last."""
        del history, bundle
        self._place.send()
