"""What a search remembers: a study of Optuna in a database, which is all that a killed driver leaves behind.

Only the driver reads and writes it. Ray's own OptunaSearch keeps its running trials in a pickle beside the database,
and tells a stopped trial as a complete one; here both are in the study, so that any start of the command goes on.
"""

from __future__ import annotations

import math
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from glioray.errors import ClusterError, GliorayError, RecipeError
from glioray.recipe import Recipe
from glioray.remote import without_password
from glioray.schema import FIELD, FIRST, require_version
from glioray.tuning.ranges import Value
from glioray.tuning.samplers import pruner_of, sampler_of
from glioray.tuning.space import SearchSpace

SPACE, SPENT = "glioray_space", "glioray_spent_s"  # of the study
ENDED, COST = "ended", "cost"  # of a trial: why, and what it cost
COMPLETE, TIME_IS_UP = "complete", "the time budget was spent"
LEAST_TRIALS, NOTE_EVERY_S = 4, 10.0  # for importance; between notes of the time spent, which wait for the disk


@dataclass(frozen=True)
class Importance:
    """The share of each setting in the difference between the better and the other trials."""

    shares: dict[str, float]
    num_trials: int
    epoch: int | None
    """after which they are compared; none: after their best"""


class Study:
    """The trials of one search space, under one name.

    Args:
        space: what is searched.
        name: of the study.
        storage: SQLAlchemy's address of a database, as sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.

    Raises:
        ClusterError: the database does not answer.
        RecipeError: the name is taken by a study of another space.
    """

    def __init__(self, space: SearchSpace, name: str, storage: str) -> None:
        self.space, self.name = space, name
        with storage_told(storage):
            self._study = optuna.create_study(
                storage=RDBStorage(storage),
                study_name=name,
                load_if_exists=True,
                directions=["maximize" if mode == "max" else "minimize" for mode in space.search.mode],
                pruner=pruner_of(space.search, space.base.budget.epochs),
            )
        self._claim()
        self._study.sampler = sampler_of(space.search, started=len(self.ended))
        self._running: dict[int, Trial] = {}
        self._orphans = [Trial(self._study, frozen._trial_id) for frozen in self._with(TrialState.RUNNING)]
        self.num_resumed = len(self._orphans)
        self._costs: dict[int, dict[str, float]] = {}
        self._worked_s = self._spent_s = float(self._study.user_attrs.get(SPENT, 0.0))
        self._started_at = time.monotonic()
        self._most = min(space.search.trials, len(space.grid()) if space.search.sampler.name == "grid" else math.inf)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All that were begun, by number."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]

    @property
    def ended(self) -> list[FrozenTrial]:
        """Complete, stopped or failed."""
        return [trial for trial in self.trials if trial.state.is_finished()]

    @property
    def most(self) -> int:
        """How many trials there are to be; fewer than asked where a grid has fewer points."""
        return int(self._most)

    @property
    def spent_s(self) -> float:
        """Over all starts of the command."""
        return self._spent_s + self.start_s

    @property
    def worked_s(self) -> float:
        """Until the newest epoch or end of a trial, over all starts of the command."""
        return self._worked_s

    @property
    def start_s(self) -> float:
        """Since this start of the command."""
        return time.monotonic() - self._started_at

    @property
    def is_over(self) -> bool:
        """Whether no further trial is to begin."""
        return not self._orphans and (len(self.trials) >= self._most or self.is_late)

    @property
    def is_complete(self) -> bool:
        """Whether all that there are to be have ended; not so after Ctrl-C."""
        return len(self.ended) >= self._most or (self.is_late and len(self.ended) == len(self.trials))

    @property
    def is_late(self) -> bool:
        """Whether the time budget is spent."""
        budget = self.space.search.time_budget_s
        return budget is not None and self.spent_s >= budget

    @property
    def best(self) -> list[FrozenTrial]:
        """The best complete trial, or with several metrics those that none beats; empty while there is none."""
        if len(self.space.search.metric) > 1:
            return list(self._study.best_trials)
        done = self._with(TrialState.COMPLETE)
        sign = 1 if self.space.search.mode[0] == "max" else -1
        return [max(done, key=lambda trial: sign * (trial.value or 0.0))] if done else []

    def begin(self) -> tuple[int, Recipe] | None:
        """The next trial, first those that a killed driver left; none where there is to be none.

        Settings that do not fit each other are a failed trial with the reason, and the next is asked for.
        """
        while not self.is_over:
            trial = self._orphans.pop(0) if self._orphans else self._study.ask()
            with _quiet():
                values = self.space.suggest(trial)
            try:
                recipe = self.space.recipe(values)
            except GliorayError as error:
                self._running[trial.number] = trial
                self.fail(trial.number, str(error))
                continue
            self._running[trial.number] = trial
            return trial.number, recipe
        return None

    def report(self, number: int, row: Mapping[str, float]) -> str | None:
        """Notes an epoch; gives the reason why the trial should end here, or none."""
        trial = self._running[number]
        self._costs[number] = {name: row[name] for name in ("epoch", "seconds", "core_s")}
        if self.spent_s > self.worked_s + NOTE_EVERY_S:
            self._note_time()
        if self.is_late:
            return TIME_IS_UP
        search = self.space.search
        if len(search.metric) > 1:
            return None
        if row["epoch"] not in self._study._storage.get_trial(trial._trial_id).intermediate_values:
            trial.report(row[search.metric[0]], int(row["epoch"]))
        late_enough = row["epoch"] >= search.scheduler.grace_epochs and row["epoch"] < self.space.base.budget.epochs
        return f"stopped by {search.scheduler.name}" if late_enough and trial.should_prune() else None

    def complete(self, number: int, row: Mapping[str, float]) -> None:
        """Ends a trial with its figures: those of its best epoch; one of them that is no number counts as a stop."""
        values = [row[name] for name in self.space.search.metric]
        if any(math.isnan(value) for value in values):
            self.stop(number, f"{', '.join(self.space.search.metric)} on val was not a number")
        else:
            self._end(number, TrialState.COMPLETE, COMPLETE, values)

    def stop(self, number: int, reason: str) -> None:
        """Ends a trial before its time; what it had reached stays known to the sampler."""
        self._end(number, TrialState.PRUNED, reason)

    def fail(self, number: int, reason: str) -> None:
        """Ends a trial that came to nothing."""
        self._end(number, TrialState.FAIL, " ".join(reason.split()))

    def add_points(self) -> None:
        """What is to be tried first, once in the life of the study."""
        if not self._study.get_trials(deepcopy=False):
            for point in self.space.search.points:
                self._study.enqueue_trial(self.space.at(point))

    def settings(self, trial: FrozenTrial) -> dict[str, Value]:
        """What a trial tried, by paths."""
        return self.space.settings(trial.params)

    def recipe(self, trial: FrozenTrial) -> Recipe:
        """The recipe of a trial."""
        return self.space.recipe(self.settings(trial))

    def importance(self) -> Importance:
        """What each setting matters for the first metric; without shares where there are too few trials."""
        trials, epoch = self._compared()
        found = Importance({}, len(trials), epoch)
        if len(trials) < LEAST_TRIALS:
            return found
        try:
            with _quiet():
                study = optuna.create_study(direction=self._study.directions[0])
                study.add_trials(trials)
                evaluator = optuna.importance.PedAnovaImportanceEvaluator()
                return replace(found, shares=dict(optuna.importance.get_param_importances(study, evaluator=evaluator)))
        except (ValueError, RuntimeError):  # all trials alike, or no setting that all of them have
            return found

    def _compared(self) -> tuple[list[FrozenTrial], int | None]:
        """Complete trials; where some were stopped all that reached the first epoch that may end one, as of then.

        Few trials are complete where most are stopped, and those few are alike: they say little of the settings.
        """
        complete, stopped = self._with(TrialState.COMPLETE), self._with(TrialState.PRUNED)
        epoch = self.space.search.scheduler.grace_epochs
        reached = [trial for trial in (*complete, *stopped) if epoch in trial.intermediate_values]
        if not stopped or len(reached) <= len(complete):
            return [_as_complete(trial, trial.values[0]) for trial in complete], None
        return [_as_complete(trial, trial.intermediate_values[epoch]) for trial in reached], epoch

    def _end(self, number: int, state: TrialState, ended: str, values: list[float] | None = None) -> None:
        trial = self._running.pop(number)
        trial.set_user_attr(ENDED, ended[:1000])
        trial.set_user_attr(COST, {**self._costs.pop(number, {}), "after_s": self.spent_s})
        self._study.tell(trial, values, state)
        self._note_time()

    def _note_time(self) -> None:
        self._worked_s = self.spent_s
        self._study.set_user_attr(SPENT, self._worked_s)

    def _with(self, state: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(state,))

    def _claim(self) -> None:
        there = self._study.user_attrs
        require_version(there, FIRST, f"the study {self.name!r}", "choose another --name.", RecipeError, unnamed=FIRST)
        if SPACE not in there:
            self._study.set_user_attr(FIELD, FIRST)
            self._study.set_user_attr(SPACE, self.space.fingerprint)
            with _quiet():
                self._study.set_metric_names(list(self.space.search.metric))  # for Optuna's own dashboard
        elif there[SPACE] != self.space.fingerprint:
            raise RecipeError(
                f"the study {self.name!r} searched another space, base recipe or metric; choose another --name, or put "
                "back what was changed (trials, time_budget_s, concurrency, sampler and scheduler may change)"
            )


def _as_complete(trial: FrozenTrial, value: float) -> FrozenTrial:
    return optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's warnings: that choices of several kinds cannot be drawn, that few trials are few."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def storage_told(storage: str) -> Iterator[None]:
    """Turns SQLAlchemy's words into ours, for all that is done with a study.

    Raises:
        ClusterError: the database does not answer, its disk is full, or its driver is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    except Exception as error:
        import sqlalchemy.exc

        ours = (ImportError, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
        causes = list(_causes(error))
        if not any(isinstance(cause, ours) for cause in causes):
            raise
        words = " ".join(str(causes[-1]).split())[:200]
        raise ClusterError(f"--storage {without_password(storage)}: {words}; {_hint(causes[-1])}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it came from, and so on; Ray Tune raises its own while it handles ours, without `from`."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _hint(cause: BaseException) -> str:
    if isinstance(cause, ImportError):
        return "install its driver, as `pip install 'psycopg[binary]'` for postgresql+psycopg://"
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return "what was written before is intact: make room, then run the same command again to go on"
    return "start it, or leave --storage out for a file of its own"
