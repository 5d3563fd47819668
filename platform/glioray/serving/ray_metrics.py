"""The metrics of the service in Ray's own, which every node shows to Prometheus. Imports Ray."""

from __future__ import annotations

import logging

from ray.util.metrics import Counter, Histogram

from glioray.serving.metrics import METRICS, Measured

logger = logging.getLogger(__name__)


class RayMetrics:
    """All of `METRICS`, of the replica that makes it."""

    def __init__(self) -> None:
        self._counters, self._histograms = {}, {}
        for name, metric in METRICS.items():
            if metric.kind == "counter":
                self._counters[name] = Counter(name, description=metric.text, tag_keys=metric.tags)
            else:
                self._histograms[name] = Histogram(
                    name, description=metric.text, boundaries=list(metric.bounds), tag_keys=metric.tags
                )

    def add(self, measured: Measured) -> None:
        """A failure of Ray's is logged and ends no request."""
        try:
            if measured.name in self._counters:
                self._counters[measured.name].inc(measured.value, tags=measured.tags)
            else:
                self._histograms[measured.name].observe(measured.value, tags=measured.tags)
        except Exception:
            logger.exception("%s could not be counted", measured.name)
