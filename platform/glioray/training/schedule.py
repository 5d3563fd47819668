"""The learning rate as a function of the epoch: nothing to store, nothing to restore."""

from __future__ import annotations

import math

import torch

from glioray.recipe import Recipe, Schedule


def rate_factor(schedule: Schedule, epoch: int, epochs: int) -> float:
    """What the highest learning rate is multiplied by in an epoch, counted from 1; in (0, 1].

    Sources: step, as usual; cosine, Loshchilov 2017, arXiv 1608.03983; warm-up, Goyal 2017, arXiv 1706.02677.
    """
    if epoch <= schedule.warmup_epochs:
        return epoch / (schedule.warmup_epochs + 1)
    done = epoch - 1 - schedule.warmup_epochs
    if schedule.name == "step":
        return float(schedule.step_factor ** (done // schedule.step_epochs))
    if schedule.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done / max(1, epochs - schedule.warmup_epochs)))
    return 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: int) -> float:
    """Gives every parameter the learning rate of this epoch, and returns it."""
    rate = recipe.optimizer.learning_rate * rate_factor(recipe.schedule, epoch, recipe.budget.epochs)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
