from __future__ import annotations

import pytest
import torch

from glioray.training import progress
from glioray.training.progress import Timed


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds that the next readings of the clock show."""
    readings: list[float] = []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: readings.pop(0))
    return readings


def test_only_the_wait_for_batches_is_counted_the_end_included(clock):
    clock += [0.0, 1.0, 10.0, 12.0, 50.0, 50.5]
    batches = Timed([{"image": torch.zeros(1)}, {"image": torch.ones(1)}])

    assert [float(batch["image"]) for batch in batches] == [0.0, 1.0]
    assert batches.wait_s == 3.5
