from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from glioray.errors import ClusterError, RecipeError
from glioray.tuning.space import SearchSpace
from glioray.tuning.study import TIME_IS_UP, Study, storage_told

SpaceOf = Callable[..., SearchSpace]
StudyOf = Callable[[SearchSpace], Study]
NONE = {"name": "none"}
RATE = {"kind": "log_uniform", "low": 1e-4, "high": 1e-1}


def row(epoch: int, score: float, **more: float) -> dict[str, float]:
    """What a trial tells of an epoch."""
    return {"epoch": epoch, "score": score, "val/loss": 1 - score, "seconds": float(epoch), "core_s": 2.0, **more}


def run_all(study: Study, seed: int = 0) -> None:
    """Every trial to its end; the score follows the learning rate."""
    study.add_points()
    while begun := study.begin():
        number, recipe = begun
        score = 0.5 + recipe.optimizer.learning_rate + random.Random(seed + number).random() / 10
        for epoch in (1, 2, 3):
            if reason := study.report(number, row(epoch, score)):
                study.stop(number, reason)
                break
        else:
            study.complete(number, row(3, score, parameters=1000.0 * number))


@pytest.mark.parametrize(
    ("sampler", "scheduler"),
    [(name, "none") for name in ("tpe", "multivariate", "qmc", "random", "cma_es", "nsga2")]
    + [("random", name) for name in ("asha", "hyperband", "median")],
)
def test_every_sampler_and_scheduler_comes_to_its_end(
    space_of: SpaceOf, study_of: StudyOf, sampler: str, scheduler: str
) -> None:
    space = space_of(trials=6, sampler={"name": sampler, "startup_trials": 3}, scheduler={"name": scheduler})
    study = study_of(space)
    run_all(study)
    assert len(study.ended) == 6
    assert study.best[0].values[0] == max(trial.values[0] for trial in study.ended if trial.state.name == "COMPLETE")
    assert study.settings(study.trials[0])["optimizer.learning_rate"] == space.base.optimizer.learning_rate


def test_a_grid_ends_when_all_points_are_tried(space_of: SpaceOf, study_of: StudyOf) -> None:
    grid = {
        "model.base_filters": {"kind": "choice", "options": [2, 4]},
        "model.depth": {"kind": "int", "low": 1, "high": 2},
    }
    study = study_of(space_of(grid, trials=50, sampler={"name": "grid"}, scheduler=NONE))
    run_all(study)
    assert study.most == 4
    assert len({tuple(study.settings(trial).items()) for trial in study.ended}) == 4


def test_a_bad_trial_is_stopped_and_a_good_one_is_not(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(scheduler={"name": "asha", "grace_epochs": 1, "reduction_factor": 2}))
    for score, stopped in ((0.5, False), (0.4, True), (0.9, False)):
        begun = study.begin()
        assert begun is not None
        assert (study.report(begun[0], row(1, score)) is not None) is stopped


def test_no_trial_is_stopped_in_its_last_epoch(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(scheduler={"name": "asha", "grace_epochs": 3, "reduction_factor": 2}))
    for score in (0.9, 0.1):
        begun = study.begin()
        assert begun is not None
        assert [study.report(begun[0], row(epoch, score)) for epoch in (1, 2, 3)] == [None] * 3


def test_another_start_goes_on_where_a_killed_driver_stopped(space_of: SpaceOf, study_of: StudyOf) -> None:
    space = space_of(scheduler=NONE)
    killed = study_of(space)
    killed.add_points()
    begun = [killed.begin() for _ in range(3)]
    killed.complete(0, row(3, 0.7))
    killed.report(1, row(1, 0.6))
    record = [(trial.number, trial.params) for trial in killed.trials]
    study = study_of(space)
    study.add_points()
    assert study.num_resumed == 2
    assert [study.begin(), study.begin()] == begun[1:]
    study.report(1, row(1, 0.6))  # the epoch that it goes on from is told again
    study.report(1, row(2, 0.65))
    assert [(trial.number, trial.params) for trial in study.trials] == record
    assert study.trials[1].intermediate_values == {1: 0.6, 2: 0.65}
    assert study.trials[0].value == 0.7
    fresh = study.begin()
    assert fresh is not None
    assert fresh[0] == 3


def test_a_study_of_another_space_is_refused(space_of: SpaceOf, study_of: StudyOf) -> None:
    study_of(space_of())
    study_of(space_of(trials=60, sampler={"name": "random"}))
    with pytest.raises(RecipeError, match="searched another space.*choose another --name"):
        study_of(space_of({"optimizer.learning_rate": {**RATE, "high": 0.05}}))


def test_settings_that_do_not_fit_each_other_are_a_failed_trial(space_of: SpaceOf, study_of: StudyOf) -> None:
    both = {
        "budget.batch_size": {"kind": "choice", "options": [4, 6, 10]},
        "budget.accumulate": {"kind": "choice", "options": [1, 4]},
    }
    study = study_of(space_of(both, trials=8, sampler={"name": "random"}, scheduler=NONE))
    run_all(study)
    failed = [trial for trial in study.ended if trial.state.name == "FAIL"]
    assert len(study.ended) == 8
    assert failed
    assert all("does not divide into 4 portions" in trial.user_attrs["ended"] for trial in failed)


def test_a_figure_that_is_no_number_counts_as_a_stop(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(trials=1, metric="val/loss", mode="min"))
    begun = study.begin()
    assert begun is not None
    study.complete(begun[0], row(3, float("nan")))
    assert study.ended[0].state.name == "PRUNED"
    assert study.ended[0].user_attrs["ended"] == "val/loss on val was not a number"
    assert study.best == []


def test_after_an_interruption_a_search_is_not_complete(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(trials=2, scheduler=NONE))
    for _ in range(2):
        study.begin()
    study.complete(0, row(3, 0.5))
    assert not study.is_complete
    study.complete(1, row(3, 0.5))
    assert study.is_complete


def test_a_spent_time_budget_ends_the_search(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(time_budget_s=1000))
    begun = study.begin()
    assert begun is not None
    assert study.report(begun[0], row(1, 0.5)) is None
    study._spent_s = 1000
    assert study.report(begun[0], row(2, 0.5)) == TIME_IS_UP
    study.stop(begun[0], TIME_IS_UP)
    assert study.is_over
    assert study.begin() is None


def test_several_metrics_have_several_best(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(metric=["score", "parameters"], mode=["max", "min"], scheduler=NONE, trials=3))
    for score, parameters in ((0.7, 10.0), (0.9, 30.0), (0.6, 20.0)):
        begun = study.begin()
        assert begun is not None
        study.complete(begun[0], row(3, score, parameters=parameters))
    assert {trial.number for trial in study.best} == {0, 1}


def test_a_database_that_does_not_answer_is_one_line_without_the_password(space_of: SpaceOf) -> None:
    for storage, text in (
        ("sqlite:////nowhere/study.db", "unable to open database file"),
        ("postgresql+nodriver://me:secret@127.0.0.1/db", "nodriver"),
        ("studies.db", "studies.db"),
        ("postgresql//me:secret@127.0.0.1/db", "127.0.0.1/db"),
    ):
        with pytest.raises(ClusterError) as caught:
            Study(space_of(), "study", storage)
        assert text in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def run_as_tune_does(study: Study) -> None:
    """What fails while a result is taken in leaves Ray Tune as an error of its own, raised without `from`."""
    try:
        run_all(study)
    except Exception as error:
        raise RuntimeError(f"as text: {error}")  # noqa: B904


@pytest.mark.parametrize("run", [run_all, run_as_tune_does])
def test_a_full_disk_under_a_study_is_one_line_that_says_what_to_do(
    space_of: SpaceOf, study_of: StudyOf, tmp_path: Path, run: Callable[[Study], None]
) -> None:
    space = space_of(trials=40, sampler={"name": "random"}, scheduler=NONE)
    study = study_of(space)
    with (
        cut_short(),
        pytest.raises(ClusterError, match="disk is full; what was written before is intact: make room"),
        storage_told(f"sqlite:///{tmp_path}/study.db"),
    ):
        run(study_of(space))
    assert len(study.ended) < 40

    run_all(goes_on := study_of(space))
    assert {trial.state.name for trial in goes_on.trials} == {"COMPLETE"}
    assert len(goes_on.ended) == 40


@contextmanager
def cut_short() -> Iterator[None]:
    """SQLite files that cannot grow, as on a full disk."""

    def no_more(connection: Any, _: Any) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(pages, 1)}")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", no_more)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", no_more)


def test_importance_is_of_what_matters(space_of: SpaceOf, study_of: StudyOf) -> None:
    study = study_of(space_of(trials=16, sampler={"name": "random"}, scheduler=NONE))
    assert study.importance().shares == {}
    run_all(study)
    found = study.importance()
    assert next(iter(found.shares)) == "optimizer.learning_rate"
    assert (found.num_trials, found.epoch) == (16, None)


def test_importance_is_over_all_that_can_be_compared_where_most_trials_are_stopped(
    space_of: SpaceOf, study_of: StudyOf
) -> None:
    asha = {"name": "asha", "grace_epochs": 1, "reduction_factor": 2}
    study = study_of(space_of(trials=20, sampler={"name": "random"}, scheduler=asha))
    run_all(study)
    found = study.importance()
    assert (found.num_trials, found.epoch) == (20, 1)
    assert len([trial for trial in study.ended if trial.state.name == "COMPLETE"]) < 20
    assert next(iter(found.shares)) == "optimizer.learning_rate"
    assert sum(found.shares.values()) == pytest.approx(1)
