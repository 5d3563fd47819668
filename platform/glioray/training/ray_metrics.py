"""The run in Ray's own metrics, for Prometheus and the dashboard, from the driver. Imports Ray."""

from __future__ import annotations

from collections.abc import Mapping

from ray.util.metrics import Gauge

from glioray.training.news import Progress
from glioray.training.plan import Plan
from glioray.training.record import History
from glioray.training.watching.gauges import GAUGES, TAGS, of_history, of_step
from glioray.training.watching.listener import Listener


class RayMetrics(Listener):
    """Sets a gauge for each of `GAUGES`; they are gone when the driver ends."""

    name = "Ray metrics"

    def __init__(self, plan: Plan) -> None:
        tags = {"task": plan.recipe.task, "model": plan.recipe.model.name, "run": plan.folder.name}
        self._epochs = plan.recipe.budget.epochs
        self._gauges = {name: Gauge(name, description=text, tag_keys=TAGS) for name, text in GAUGES.items()}
        for gauge in self._gauges.values():
            gauge.set_default_tags(tags)

    def begin(self, history: History) -> None:
        """Where a run that is gone on with stands."""
        self._set(of_history(history, self._epochs))

    def step(self, progress: Progress) -> None:
        """Where it is within the epoch."""
        self._set(of_step(progress))

    def epoch(self, history: History) -> None:
        """What the epoch came to."""
        self._set(of_history(history, self._epochs))

    def _set(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._gauges[name].set(value)
