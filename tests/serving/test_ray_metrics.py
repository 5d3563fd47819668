"""Ray's metrics are imported here and sent nowhere: no Ray is started."""

from __future__ import annotations

import logging

from glioray.serving.metrics import METRICS, Measured, of_batch
from glioray.serving.ray_metrics import RayMetrics


def test_a_count_that_fails_is_logged_and_ends_nothing(caplog):
    with caplog.at_level(logging.ERROR):
        RayMetrics().add(Measured("glioray_batch_images", 4, {"patient": "one"}))

    (record,) = caplog.records
    assert record.getMessage() == "glioray_batch_images could not be counted"


def test_what_is_measured_has_the_labels_that_its_metric_has(caplog):
    measured = of_batch("kinds@3", 4)

    RayMetrics().add(measured)

    assert set(measured.tags) == set(METRICS[measured.name].tags)
    assert caplog.records == []
