"""What is counted of requests and answers: names, meaning and labels. Without Ray, so that tests can ask.

Prometheus knows them with Ray's prefix, as `ray_glioray_requests_total`. Every label has few values: routes are
templates, models are those that are served, classes are those of a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from glioray.serving.visit import Visit

NOTHING = "none"
"""the label's value where a request came to no route or model"""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True)
class Metric:
    """A counter, or a histogram with the upper bounds of its buckets."""

    kind: Literal["counter", "histogram"]
    text: str
    tags: tuple[str, ...]
    bounds: tuple[float, ...] = ()


METRICS: dict[str, Metric] = {
    "glioray_requests": Metric("counter", "requests that were answered", ("route", "model", "status")),
    "glioray_request_seconds": Metric(
        "histogram", "from a request's headers to the end of its answer", ("route", "model"), SECONDS
    ),
    "glioray_answers": Metric(
        "counter", "images by the class that was answered, slices by each label that was found", ("model", "found")
    ),
    "glioray_in_domain": Metric("counter", "images by whether they are like those of training", ("model", "in_domain")),
    "glioray_batch_images": Metric("histogram", "images of one pass through a network", ("model",), SIZES),
}


@dataclass(frozen=True)
class Measured:
    """A value for one metric."""

    name: str
    value: float
    tags: dict[str, str]


class Metrics(Protocol):
    """Takes what was measured."""

    def add(self, measured: Measured) -> None:
        """Never raises: an answer does not fail for a count."""


class NoMetrics:
    """Where nobody counts."""

    def add(self, measured: Measured) -> None:
        """Forgets it."""


def of_visit(visit: Visit) -> Iterator[Measured]:
    """Of a request that has ended."""
    place = {"route": visit.route or NOTHING, "model": NOTHING if visit.model is None else _model(visit)}
    yield Measured("glioray_requests", 1, {**place, "status": NOTHING if visit.status is None else str(visit.status)})
    yield Measured("glioray_request_seconds", visit.elapsed_s, place)
    if visit.in_domain is not None:
        yield Measured(
            "glioray_in_domain", 1, {"model": place["model"], "in_domain": "yes" if visit.in_domain else "no"}
        )
    for name in visit.found:
        yield Measured("glioray_answers", 1, {"model": place["model"], "found": name})


def of_batch(reference: str, size: int) -> Measured:
    """Of a pass through the network of NAME@VERSION."""
    return Measured("glioray_batch_images", size, {"model": reference})


def _model(visit: Visit) -> str:
    return f"{visit.model}@{visit.version}"
