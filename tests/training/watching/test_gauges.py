from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

from glioray.training.news import Progress
from glioray.training.watching.gauges import GAUGES, TAGS, of_history, of_step

DOCS = Path(__file__).parents[3] / "docs"
ROW = {"epoch": 2, "loss": 0.5, "val/loss": 0.6, "score": 0.7, "learning_rate": 1e-3, "wait_share": 0.01}
ROW |= {"rows": 30, "train_s": 2.0, "epoch_s": 3.0, "best_epoch": 1, "store_peak_mb": 12.0, "spilled_mb": 0.0}
HISTORY = [{**ROW, "epoch": 1, "score": 0.8}, ROW]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana" / "glioray.json").read_text())
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_every_gauge_is_set_and_no_other() -> None:
    within = of_step(Progress(epoch=3, epochs=4, rows=15, rows_of_epoch=30, loss=0.4))
    after = of_history(HISTORY, epochs=4)
    assert set(within) | set(after) == set(GAUGES)
    assert within["glioray_progress"] == 2.5 / 4
    assert after["glioray_best_score"] == 0.8
    assert after["glioray_images_per_second"] == 15
    assert after["glioray_epoch"] == 2


def test_a_value_that_is_no_number_leaves_the_gauge_alone() -> None:
    row = {**ROW, "epoch": 1, "score": math.nan, "best_epoch": 1}
    assert not {"glioray_score", "glioray_best_score"} & set(of_history([row], epochs=4))
    assert of_history([], epochs=4) == {"glioray_epoch": 0.0, "glioray_epochs": 4.0}


def test_the_grafana_dashboard_asks_for_the_gauges_that_there_are_and_for_all_of_them() -> None:
    asked = {name for text in expressions() for name in re.findall(r"\bray_(glioray_\w+)", text)}
    assert asked == set(GAUGES)


def test_the_grafana_dashboard_chooses_by_the_tags_that_there_are() -> None:
    chosen = {tag for text in expressions() if "glioray" in text for tag in re.findall(r"(\w+)=~", text)}
    variables = {each["name"] for each in dashboard()["templating"]["list"]} - {"datasource"}
    assert chosen == variables == set(TAGS)


def test_the_prometheus_settings_scrape_what_ray_lists() -> None:
    (job,) = yaml.safe_load((DOCS / "prometheus.yml").read_text())["scrape_configs"]
    (listed,) = job["file_sd_configs"]
    assert listed["files"] == ["/tmp/ray/prom_metrics_service_discovery.json"]


def test_the_page_on_watching_lists_the_gauges_that_there_are() -> None:
    text = (DOCS / "watching.md").read_text()
    assert set(re.findall(r"`ray_(glioray_\w+)`", text)) == set(GAUGES)
    assert all(meaning in text for meaning in GAUGES.values())
