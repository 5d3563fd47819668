from __future__ import annotations

import pytest

from glioray.recipe import Schedule
from glioray.training.schedule import rate_factor


def test_cosine_falls_from_one_and_stays_above_zero() -> None:
    factors = [rate_factor(Schedule(name="cosine"), epoch, 10) for epoch in range(1, 11)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] < 0.05


def test_step_halves_every_ten_epochs() -> None:
    schedule = Schedule(name="step", step_epochs=10, step_factor=0.5)
    assert [rate_factor(schedule, epoch, 30) for epoch in (1, 10, 11, 20, 21)] == [1, 1, 0.5, 0.5, 0.25]


def test_warmup_rises_in_equal_steps_and_then_begins_the_schedule() -> None:
    schedule = Schedule(name="constant", warmup_epochs=3)
    assert [rate_factor(schedule, epoch, 9) for epoch in (1, 2, 3, 4)] == pytest.approx([0.25, 0.5, 0.75, 1])
