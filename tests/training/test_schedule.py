from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from glioray.recipe import Recipe, Schedule
from glioray.training.schedule import WARMUP_START, rate_factor, set_learning_rate


def test_cosine_falls_with_every_update_from_one_and_stays_above_zero() -> None:
    updates = [update / 4 for update in range(40)]
    factors = [rate_factor(Schedule(name="cosine"), done, 10) for done in updates]
    assert factors[0] == 1
    assert factors == sorted(set(factors), reverse=True)
    assert 0 < factors[-1] < 0.01
    assert rate_factor(Schedule(name="cosine"), 2.5, 10) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_step_halves_every_ten_epochs_and_not_within_one() -> None:
    schedule = Schedule(name="step", step_epochs=10, step_factor=0.5)
    assert [rate_factor(schedule, done, 30) for done in (0, 9.9, 10, 19.9, 20)] == [1, 1, 0.5, 0.5, 0.25]


def test_warmup_rises_in_equal_steps_and_then_begins_the_schedule() -> None:
    schedule = Schedule(name="cosine", warmup_epochs=2)
    factors = [rate_factor(schedule, done, 9) for done in (0, 0.5, 1, 1.5, 2, 2.5)]
    rise = [later - earlier for earlier, later in pairwise(factors[:5])]
    assert rise == pytest.approx([(1 - WARMUP_START) / 4] * 4)
    assert factors[0] == WARMUP_START
    assert factors[4] == 1 > factors[5]


def test_every_group_learns_at_its_own_scale(unet_recipe: Recipe) -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr_scale": 0.5}, {"params": [weights[1]], "lr_scale": 1.0}]
    optimizer = torch.optim.SGD(groups, lr=1)
    recipe = unet_recipe.with_values("optimizer.learning_rate", 0.1).with_values("schedule.name", "step")
    assert set_learning_rate(optimizer, recipe.with_values("schedule.step_epochs", 1), done=1.5) == 0.05
    assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.05]
