"""The learning rate as a function of how far the training is: nothing to store, nothing to restore."""

from __future__ import annotations

import math

import torch

from glioray.recipe import Recipe, Schedule

WARMUP_START = 0.01  # of the highest rate


def rate_factor(schedule: Schedule, done: float, epochs: int) -> float:
    """What the highest learning rate is multiplied by, in (0, 1].

    Args:
        schedule: its settings.
        done: epochs that are done, with the part that is done of the one under way.
        epochs: of the whole run.

    Sources: step, as usual; cosine, Loshchilov 2017, arXiv 1608.03983; warm-up, Goyal 2017, arXiv 1706.02677.
    """
    warmup = schedule.warmup_epochs
    if done < warmup:
        return WARMUP_START + (1 - WARMUP_START) * done / warmup
    if schedule.name == "step":
        return float(schedule.step_factor ** ((done - warmup) // schedule.step_epochs))
    if schedule.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (done - warmup) / max(1, epochs - warmup)))
    return 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, done: float) -> float:
    """Gives every group of parameters the learning rate of an update, and returns that of the last layer."""
    rate = recipe.optimizer.learning_rate * rate_factor(recipe.schedule, done, recipe.budget.epochs)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
    return rate
