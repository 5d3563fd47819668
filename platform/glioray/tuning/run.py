"""Trials through Ray Tune: it places them and brings lost ones back; the study says which, and how long."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from glioray.data.place import local_folder
from glioray.data.prepared import PreparedDataset
from glioray.data.stream_size import row_bytes
from glioray.errors import ClusterError
from glioray.recipe import Recipe
from glioray.registry.run_folder import BUNDLE
from glioray.training.checkpoints import Say, checkpoints, say_to_log
from glioray.training.news import Metrics, Progress
from glioray.training.plan import plan_run, shared_place
from glioray.training.record import read_metrics
from glioray.training.run import train
from glioray.training.storage import require_shared_storage
from glioray.tuning.plan import SweepPlan
from glioray.tuning.study import Study
from glioray.tuning.trial import Outcome, Sides, Trial, epoch_figures, figures, rows_of, run_trial

MOST_LOSSES = 2  # of a trial's process, after which it has failed
DRIVER_CPUS = 0.01  # of a trial whose workers are processes of their own; Ray refuses 0
OF_STORE = 0.5  # the part of a node's object store that shared rows may take
_OUTCOME, _REASON = "outcome", "reason"
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study and the run folders have it all
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's own state is not gone on from
    "RAY_AIR_NEW_OUTPUT": "0",
}


def search(
    plan: SweepPlan, study: Study, on_change: Callable[[Study], None] = lambda _: None, say: Say = say_to_log
) -> None:
    """Runs trials until the study has enough; first those that a killed driver left. Ray must be connected.

    Args:
        plan: see `plan_sweep`.
        study: of the plan's space.
        on_change: called after every epoch and every end of a trial.
        say: told in a line what a person should know.

    Raises:
        ClusterError: the cluster is too small for what is asked, its nodes do not share the sweep's folder, or its
            disk is full: the trials that ran can go on.
    """
    require_places(plan)
    require_shared_storage(str(plan.folder))
    study.add_points()
    if study.is_over:
        return
    os.environ.update({name: value for name, value in _ENVIRONMENT.items() if name not in os.environ})
    for name in ("ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is in the study, with its reason
    own = plan.folder / ".ray"
    shutil.rmtree(own, ignore_errors=True)
    bridge = _Bridge(plan, study, say)
    try:
        tune.Tuner(
            _trainable(plan, say),
            tune_config=tune.TuneConfig(
                search_alg=_Search(bridge),
                scheduler=_Scheduler(bridge),
                num_samples=-1,
                max_concurrent_trials=plan.space.search.concurrency,
                reuse_actors=not _has_workers(plan),
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(own),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=MOST_LOSSES),
                callbacks=[_Follow(study, on_change)],
            ),
        ).fit()
    finally:
        shutil.rmtree(own, ignore_errors=True)
    if bridge.obstacle:
        raise ClusterError(bridge.obstacle)


def require_places(plan: SweepPlan) -> None:
    """Refuses more trials at once than the cluster has room for: several workers of each would wait for ever.

    Raises:
        ClusterError: says how many fit.
    """
    search, scaling = plan.space.search, plan.space.base.scaling
    needs = {"CPU": search.resources.cpus, "GPU": search.resources.gpus}
    if _has_workers(plan):
        needs = {kind: amount * scaling.num_workers for kind, amount in needs.items()}
        needs["CPU"] += DRIVER_CPUS
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    places = [ray.cluster_resources()] if _has_workers(plan) else nodes
    fits = sum(_times(place, needs) for place in places)
    if fits < search.concurrency:
        each = " and ".join(f"{amount:g} {kind}" for kind, amount in needs.items() if amount)
        there = ray.cluster_resources()
        has = " and ".join(f"{there.get(kind, 0):g} {kind}" for kind, amount in needs.items() if amount)
        raise ClusterError(
            f"search.concurrency {search.concurrency} trials of {each} do not fit: the cluster has {has}, room for "
            f"{fits}; set search.concurrency to {max(fits, 1)}, or lower search.resources.cpus"
            + (" or scaling.num_workers" if _has_workers(plan) else "")
            + (" or search.resources.gpus" if needs["GPU"] else "")
        )


class _Unkept:
    """Tune pickles what it is given into a folder of its own, and never reads it back here."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Bridge(_Unkept):
    """What Tune calls a trial by, beside its number in the study."""

    def __init__(self, plan: SweepPlan, study: Study, say: Say) -> None:
        self.plan, self.study, self.say = plan, study, say
        self._numbers: dict[str, int] = {}
        self._reasons: dict[str, str] = {}
        self.obstacle: str | None = None
        """what no trial can go on with, as a full disk; those that run end as they can, and none begins"""

    def begin(self, trial_id: str) -> dict[str, Any] | None:
        begun = None if self.obstacle else self.study.begin()
        if begun is None:
            return None
        number, recipe = begun
        self._numbers[trial_id] = number
        folder = self.plan.trial_folder(number)
        return {"number": number, "recipe": self.plan.recipe_of(recipe).values(), "folder": str(folder)}

    def is_to_stop(self, trial_id: str, row: Metrics) -> bool:
        reason = None if _OUTCOME in row else self.study.report(self._numbers[trial_id], row)
        if reason:
            self._reasons[trial_id] = reason
        return reason is not None

    def end(self, trial_id: str, row: dict[str, Any] | None, is_error: bool) -> None:
        """A trial that neither came to an end nor failed, as by Ctrl-C or a full disk, stays a running one."""
        number, outcome = self._numbers.pop(trial_id), (row or {}).get(_OUTCOME)
        if is_error:
            self._fail(number, f"its process was lost {MOST_LOSSES + 1} times, as for want of memory")
        elif trial_id in self._reasons:
            self.study.stop(number, self._reasons.pop(trial_id))
        elif outcome == "complete" and row is not None:
            self.study.complete(number, row)
        elif outcome == "stopped" and row is not None:
            self.study.stop(number, row[_REASON])
        elif outcome == "failed" and row is not None:
            self._fail(number, row[_REASON])
        else:
            self.obstacle = self.obstacle or (row or {}).get(_REASON)
            return
        for checkpoint in checkpoints(self.plan.trial_folder(number)):
            shutil.rmtree(checkpoint, ignore_errors=True)

    def _fail(self, number: int, reason: str) -> None:
        self.study.fail(number, reason)
        self.say(f"trial {number} failed: {reason.splitlines()[0]}")


class _Search(Searcher):  # type: ignore[misc]
    """Hands out the study's trials."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The settings of the next trial."""
        return self._bridge.begin(trial_id) or Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Whatever the end was."""
        self._bridge.end(trial_id, result, error)

    def save(self, checkpoint_path: str) -> None:
        """All of it is in the study."""

    def restore(self, checkpoint_path: str) -> None:
        """All of it is in the study."""


class _Scheduler(FIFOScheduler):  # type: ignore[misc]
    """Stops whom the study's pruner stops."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def on_trial_result(self, _: Any, trial: Any, result: dict[str, Any]) -> str:
        """After every epoch."""
        return str(self.STOP if self._bridge.is_to_stop(trial.trial_id, result) else self.CONTINUE)


class _Follow(_Unkept, tune.Callback):  # type: ignore[misc]
    """Says when there is something new to see."""

    def __init__(self, study: Study, on_change: Callable[[Study], None]) -> None:
        self._study, self._on_change = study, on_change

    def on_step_end(self, **_: Any) -> None:
        """After whatever Tune has done."""
        self._on_change(self._study)


def _trainable(plan: SweepPlan, say: Say) -> Any:
    search = plan.space.search
    common = {
        "data": shared_place(plan.space.base, plan.data),
        "threads": max(1, int(search.resources.cpus)),
        "cpus": search.resources.cpus,
        "memory_gb": search.resources.memory_gb,
        "metric": search.metric,
    }
    if _has_workers(plan):
        return tune.with_resources(tune.with_parameters(_nested, common=common), {"CPU": DRIVER_CPUS})
    resources = {"CPU": search.resources.cpus, **({"GPU": search.resources.gpus} if search.resources.gpus else {})}
    return tune.with_resources(tune.with_parameters(_alone, common=common, sides=_shared(plan, say)), resources)


def _alone(config: dict[str, Any], common: dict[str, Any], sides: Sides | None) -> None:
    """A trial of one worker, in this process."""
    _report(run_trial(_trial(config, common), sides, tune.report))


def _nested(config: dict[str, Any], common: dict[str, Any]) -> None:
    """A trial of several workers, which Ray Train starts."""
    trial = _trial(config, common)
    cores = trial.recipe.scaling.num_workers * common["cpus"]

    def costed(row: Metrics) -> Metrics:
        return {**row, "core_s": row["seconds"] * cores}

    def tell(progress: Progress) -> None:
        if progress.metrics is not None:
            tune.report(costed(epoch_figures(read_metrics(trial.folder))))

    def run() -> Metrics:
        if not (trial.folder / BUNDLE).exists():
            recipe = trial.recipe.with_values("scaling.cpus_per_worker", common["cpus"])
            train(plan_run(recipe, trial.folder.parent, trial.folder.name), tell)
        return costed(figures(trial))

    _report(Outcome.of(run))


def _trial(config: dict[str, Any], common: dict[str, Any]) -> Trial:
    recipe = Recipe.from_values(config["recipe"])
    return Trial(
        number=config["number"],
        recipe=recipe,
        data=PreparedDataset.open(local_folder(common["data"]), recipe.data.fold),
        folder=Path(config["folder"]),
        threads=common["threads"],
        memory_gb=common["memory_gb"],
        metric=common["metric"],
    )


def _report(outcome: Outcome) -> None:
    tune.report({_OUTCOME: outcome.kind, _REASON: outcome.reason, **(outcome.figures or {})})


def _shared(plan: SweepPlan, say: Say) -> Sides | None:
    """The rows of train and val, which Ray keeps once a node; none where they are too many for that."""
    rows = sum(plan.data.manifest.sides[side].rows for side in ("train", "val"))
    nodes = [node["Resources"].get("object_store_memory", 0) for node in ray.nodes() if node["Alive"]]
    size, room = rows * row_bytes(plan.data), OF_STORE * min(nodes)
    if size <= room:
        return rows_of(plan.data)
    say(
        f"train and val ({size / 1e9:.1f} GB) do not fit into half of a node's object store ({room / 1e9:.1f} GB): "
        "every trial reads them for itself"
    )
    return None


def _has_workers(plan: SweepPlan) -> bool:
    return plan.space.base.scaling.num_workers > 1


def _times(place: dict[str, float], needs: dict[str, float]) -> int:
    """How often the needs fit into a place."""
    return min(int(place.get(kind, 0) / amount + 1e-9) for kind, amount in needs.items() if amount)
