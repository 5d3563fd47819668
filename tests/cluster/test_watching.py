"""Ray's metrics for real: only a running node shows whether a driver's gauges come out of it, with their tags."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.recipe import Recipe
from glioray.training.news import Progress
from glioray.training.plan import plan_run
from glioray.training.watching.gauges import GAUGES
from glioray.training.watching.listener import told

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("shared_ray")]
WITHIN_S = 90


def test_every_gauge_comes_out_of_the_node_with_its_run(
    unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    from glioray.training.ray_metrics import RayMetrics  # imports Ray, which must find its environment set

    plan = plan_run(unet_recipe, tmp_path, "watched")
    row = {"epoch": 1, "loss": 0.5, "val/loss": 0.6, "score": 0.7, "learning_rate": 1e-3, "wait_share": 0.01}
    row |= {"rows": 30, "train_s": 2.0, "epoch_s": 3.0, "best_epoch": 1, "store_peak_mb": 12.0, "spilled_mb": 0.0}
    with told(plan, [RayMetrics(plan)], pytest.fail) as audience:
        audience(Progress(1, 3, 8, 8, 0.5, row))
        found = scraped(until=len(GAUGES))
    assert set(found) == set(GAUGES)
    assert found["glioray_score"] == 0.7
    assert found["glioray_images_per_second"] == 15


def scraped(until: int) -> dict[str, float]:
    """The gauges of run `watched` as Prometheus would read them, as soon as there are so many."""
    import ray

    address = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
    found: dict[str, float] = {}
    deadline = time.monotonic() + WITHIN_S
    while len(found) < until and time.monotonic() < deadline:
        time.sleep(1)
        with urllib.request.urlopen(address, timeout=10) as answer:
            lines = re.findall(r'^ray_(glioray_\w+)\{([^}]*run="watched"[^}]*)\} (\S+)', answer.read().decode(), re.M)
        found = {name: float(value) for name, tags, value in lines if 'model="classic_unet"' in tags}
    return found
