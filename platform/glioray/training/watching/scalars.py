"""The numbers of an epoch, under one name wherever they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

RATE, WAITING = "images_per_s", "wait_share"
STORE, SPILLED = "store_peak_mb", "spilled_mb"  # of Ray's object store
_NOT_SHOWN = ("epoch", "best_epoch", "rows")


def scalars(row: Mapping[str, float]) -> dict[str, float]:
    """Every finite metric of a row by its name in `metrics.csv`, and how many images a second were learned from."""
    found = {name: float(value) for name, value in row.items() if name not in _NOT_SHOWN and math.isfinite(value)}
    if row.get("train_s"):
        found[RATE] = row["rows"] / row["train_s"]
    return found
