"""Trains a recipe in this process, without Ray: for notebooks and benchmarks."""

from __future__ import annotations

from collections.abc import Callable

import torch

from glioray.training.checkpoints import Say, say_to_log
from glioray.training.finished import Run, finish
from glioray.training.loop import fit
from glioray.training.news import Progress, ignore_progress
from glioray.training.plan import Plan
from glioray.training.worker import LocalWorker


def train(
    plan: Plan,
    on_progress: Callable[[Progress], None] = ignore_progress,
    say: Say = say_to_log,
    device: str | torch.device = "cpu",
) -> Run:
    """As `training.run.train` with one worker: the same loop, the same run folder, and it goes on after a kill.

    Args:
        plan: see `plan_run`.
        on_progress: told after every batch where the run is.
        say: told in a line what a person should know, as of a damaged checkpoint.
        device: where the network runs.

    Raises:
        GliorayError: the loss is not a number any more, or a checkpoint is damaged.
    """
    worker = LocalWorker(plan.data, plan.folder, plan.recipe.seed, torch.device(device), on_progress, say)
    fit(plan.recipe, plan.data, worker)
    return finish(plan, "one worker without Ray, train side in its memory", say)
