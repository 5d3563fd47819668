from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from glioray.recipe import Recipe
from glioray.registry.bundle import Score
from glioray.tuning.confirm import Confirmed
from glioray.tuning.page import pictures, write_page
from glioray.tuning.plan import SweepPlan
from glioray.tuning.result import SweepResult, chosen, write_best
from glioray.tuning.study import Study
from glioray.tuning.watch import Watcher, title

SCORES = (0.5, 0.7, 0.6)


def row(epoch: int, score: float) -> dict[str, float]:
    return {"epoch": epoch, "score": score, "val/loss": 1 - score, "seconds": 10.0 * epoch, "core_s": 20.0 * epoch}


@pytest.fixture
def study(plan: SweepPlan, study_of: Callable[..., Study]) -> Study:
    """Three complete trials, one stopped, one failed, one that runs."""
    study = study_of(plan.space)
    study.add_points()
    for score in SCORES:
        number, _ = study.begin() or pytest.fail("no trial")
        for epoch in (1, 2, 3):
            study.report(number, row(epoch, score * epoch / 3))
        study.complete(number, row(3, score))
    number, _ = study.begin() or pytest.fail("no trial")
    study.report(number, row(1, 0.1))
    study.stop(number, "stopped by asha")
    number, _ = study.begin() or pytest.fail("no trial")
    study.fail(number, "out\nof memory")
    study.begin()
    return study


def test_the_best_recipe_is_a_file_that_training_takes(plan: SweepPlan, study: Study) -> None:
    recipe = write_best(plan, study)
    assert recipe is not None
    assert Recipe.from_yaml(plan.folder / "best.yaml") == recipe
    found = chosen(study)
    assert found is not None
    assert (found.number, recipe) == (1, study.recipe(found))
    assert "chose it: no test score" in (plan.folder / "best.yaml").read_text()


def test_a_sweep_counts_what_it_did_and_what_it_cost(plan: SweepPlan, study: Study) -> None:
    result = SweepResult.of(plan, study)
    assert {state: len(rows) for state, rows in result.rows_of.items()} == {
        "complete": 3, "stopped": 1, "failed": 1, "running": 1,
    }  # fmt: skip
    assert (result.core_s, result.saved_epochs, result.full_epochs) == (3 * 60 + 20, 2, 12)
    assert [trial.number for trial in result.ranked][:3] == [1, 2, 0]
    assert result.trials[4].ended == "out of memory"
    assert result.chosen is not None
    assert result.value_text(result.chosen) == "score 0.7, val, 1 patient, seed 0"
    changed = {path: (before, after) for path, before, after in result.changed}
    assert set(changed) <= {"model.base_filters", "optimizer.learning_rate"}
    assert changed["optimizer.learning_rate"][0] == 1e-3


def test_it_is_read_back_from_its_file(plan: SweepPlan, study: Study) -> None:
    result = SweepResult.of(plan, study)
    result.save(plan.folder)
    assert SweepResult.model_validate(json.loads((plan.folder / "sweep.json").read_text())) == result


def test_the_page_says_what_a_score_is_over(plan: SweepPlan, study: Study) -> None:
    score = Score(
        name="dice", value=0.61, low=0.5, high=0.7, split="test, split by group", units=3, unit="patients", seed=1
    )
    confirmed = (Confirmed(name="found", folder="final/found", seed=1, val_score=0.65, test=(score,)),)
    result = SweepResult.of(plan, study, confirmed)
    write_page(plan, result, "glioray tune x.yaml", "sweeps/sweep")
    page = (plan.folder / "sweep.html").read_text()
    for text in (
        "SYNTHETIC",
        "Not a medical device",
        "dice 0.610 [0.500, 0.700], test, split by group, 3 patients, seed 1",
        "which chose nothing",
        "score 0.7, val, 1 patient, seed 0",
        "stopped by asha",
        "out of memory",
        "glioray train sweeps/sweep/best.yaml",
    ):
        assert text in page, text
    assert page.count("data:image/png;base64,") == len(pictures(result)) == 4
    assert "<script" not in page


def test_a_page_before_the_first_trial_has_ended_is_a_page(plan: SweepPlan, study_of: Callable[..., Study]) -> None:
    study = study_of(plan.space)
    write_page(plan, SweepResult.of(plan, study), "glioray tune x.yaml", "sweeps/sweep")
    assert "No trial is complete yet" in (plan.folder / "sweep.html").read_text()


def test_several_metrics_are_drawn_as_a_front(
    space_of: Callable[..., object], plan: SweepPlan, study_of: Callable[..., Study]
) -> None:
    both = {"metric": ["score", "parameters"], "mode": ["max", "min"], "scheduler": {"name": "none"}}
    space = space_of(**both)
    study = study_of(space)
    for score, parameters in ((0.7, 10.0), (0.9, 30.0), (0.6, 20.0)):
        number, _ = study.begin() or pytest.fail("no trial")
        study.complete(number, {**row(3, score), "parameters": parameters})
    result = SweepResult.of(SweepPlan(space, plan.data, plan.folder, plan.storage), study)  # type: ignore[arg-type]
    assert result.best == (1, 0)
    assert "What none beats" in [name for name, _, _ in pictures(result)]


def test_a_person_sees_every_end_once_and_how_long_it_will_take(study: Study) -> None:
    told: list[str] = []
    drawn: list[tuple[object, ...]] = []
    watcher = Watcher(lambda *table: drawn.append(table), told.append, lambda: None)
    watcher.look(study)
    study.complete(5, row(3, 0.8))
    watcher.look(study)
    watcher.look(study)
    assert len(told) == 1
    assert told[0].startswith("trial 5: 0.8000, complete; base_filters ")
    assert title(study, of_this_start=1).startswith(
        "6 of 6 trials (4 complete, 1 stopped, 1 failed) · best 0.8000 in trial 5 · "
    )
    assert drawn[0][2][0][:2] == (5, "0/3")  # type: ignore[index]


def test_a_page_that_cannot_be_written_does_not_end_the_search(study: Study) -> None:
    told: list[str] = []

    def fail() -> None:
        raise OSError("disk full")

    watcher = Watcher(lambda *_: None, told.append, fail)
    watcher.look(study)
    study.complete(5, row(3, 0.8))
    watcher.look(study)
    assert told[-1] == "the page could not be written: OSError: disk full"
