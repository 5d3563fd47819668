"""Optuna's samplers and pruners by the names of a search; each is rebuilt from the study at any start."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

from glioray.tuning.settings import Search


class _Grid(BruteForceSampler):
    """Every point once; Optuna's own ends the loop that it takes itself to run in."""

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Does not end what the study does not run."""
        with contextlib.suppress(RuntimeError):
            super().after_trial(study, trial, state, values)


def sampler_of(search: Search, started: int) -> BaseSampler:
    """As asked.

    Args:
        search: says which.
        started: trials that an earlier start of the command ended: the random stream goes on behind them.
    """
    sampler, seed = search.sampler, search.seed + started
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match sampler.name:
            case "tpe":
                return TPESampler(n_startup_trials=sampler.startup_trials, seed=seed)
            case "multivariate":
                startup = sampler.startup_trials
                return TPESampler(n_startup_trials=startup, multivariate=True, group=True, seed=seed)
            case "qmc":
                # Sobol's points are one sequence: another seed would begin another.
                return QMCSampler(scramble=True, seed=search.seed)
            case "random":
                return RandomSampler(seed=seed)
            case "grid":
                return _Grid(seed=seed)
            case "cma_es":
                return CmaEsSampler(seed=seed)
            case "nsga2":
                return NSGAIISampler(population_size=sampler.population, seed=seed)


def pruner_of(search: Search, epochs: int) -> BasePruner:
    """As asked; a step is an epoch.

    Args:
        search: says which.
        epochs: of a whole trial.
    """
    scheduler = search.scheduler
    match scheduler.name:
        case "asha":
            return SuccessiveHalvingPruner(scheduler.grace_epochs, scheduler.reduction_factor)
        case "hyperband":
            return HyperbandPruner(
                min(scheduler.grace_epochs, epochs), max_resource=epochs, reduction_factor=scheduler.reduction_factor
            )
        case "median":
            return MedianPruner(n_startup_trials=3, n_warmup_steps=scheduler.grace_epochs - 1)
        case "none":
            return NopPruner()
