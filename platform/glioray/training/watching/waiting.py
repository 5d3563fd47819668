"""Says which setting to change where the workers wait for data."""

from __future__ import annotations

import math
from collections.abc import Callable

from glioray.data.stream_size import WORKER_BYTES, train_bytes
from glioray.training.plan import Plan
from glioray.training.record import History
from glioray.training.watching.listener import Listener
from glioray.training.watching.scalars import WAITING

MOST_WAITING = 0.05  # of the time of training


class Waiting(Listener):
    """Says it once a start of the command."""

    name = "waiting"

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan, self._say = plan, say
        self._is_said = False

    def epoch(self, history: History) -> None:
        """After two slow epochs in a row."""
        text = None if self._is_said else advice(self._plan, history)
        if text:
            self._say(text)
            self._is_said = True


def advice(plan: Plan, history: History) -> str | None:
    """What to change, after two slow epochs; none where all is well. The first of a start reads the data, and may."""
    shares = [row.get(WAITING, 0.0) for row in history[-2:]]
    if len(shares) < 2 or not min(shares) > MOST_WAITING:
        return None
    workers, size = plan.recipe.scaling.fewest_workers, train_bytes(plan.data)
    enough = math.ceil(size / WORKER_BYTES)
    if enough > workers:
        remedy = (
            f"the train side ({size / 1e9:.1f} GB) does not fit into their memory: set scaling.num_workers to {enough} "
            "or more, or prepare the data with a smaller --image-size"
        )
    else:
        remedy = "the train side is in their memory, so something else takes the cores: lower scaling.num_workers"
    return f"the workers wait for data {shares[-1]:.0%} of the time of training; {remedy}"
