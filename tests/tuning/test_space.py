from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from glioray.errors import RecipeError
from glioray.recipe import Recipe
from glioray.tuning.space import SearchSpace

SpaceOf = Callable[..., SearchSpace]
RATE = {"kind": "log_uniform", "low": 1e-4, "high": 1e-1}
SPACE = {"optimizer.learning_rate": RATE, "model.base_filters": {"kind": "choice", "options": [2, 4]}}
SEARCH_SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
NESTED = {
    "optimizer.ema_decay": {"kind": "uniform", "low": 0.5, "high": 0.9, "when": {"optimizer.name": "adamw"}},
    "optimizer.name": {"kind": "choice", "options": ["adamw", "sgd"]},
}


@pytest.mark.parametrize("path", SEARCH_SPACES, ids=lambda path: path.name)
def test_every_file_of_search_spaces_can_be_searched_and_begins_with_its_own_recipe(path: Path) -> None:
    space = SearchSpace.from_yaml(path)
    assert len(space.ranges) >= 4
    assert space.recipe(space.settings(space.at({}))) == space.base


def test_a_search_setting_is_changed_by_its_path() -> None:
    changed = ["search.trials=3", "search.sampler.name=random", "budget.epochs=4"]
    space = SearchSpace.from_yaml(SEARCH_SPACES[0], changed)
    assert (space.search.trials, space.search.sampler.name, space.base.budget.epochs) == (3, "random", 4)


def choice(*options: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "choice", "options": list(options), **more}


TWO = {"metric": ["score", "parameters"]}
WRONG_SPACES = [
    (
        {"optimizer.lerning_rate": RATE},
        "there is no setting 'lerning_rate'; did you mean 'learning_rate'?",
    ),
    ({"optimiser.name": RATE}, "space.optimiser.name: there is no section 'optimiser'; did you mean 'optimizer'?"),
    ({"optimizer.learning_rate": {**RATE, "low": 1, "high": 0.1}}, "low 1 is not below high 0.1: swap them"),
    ({"optimizer.learning_rate": {**RATE, "low": 0}}, "low 0 has no logarithm"),
    ({"optimizer.learning_rate": {**RATE, "high": 2}}, "space.optimizer.learning_rate: 2.0 is refused: "),
    ({"optimizer.learning_rate": {**RATE, "low": 0.01}}, "0.001, as the recipe has it, is not in its range"),
    ({"model.depth": {"kind": "int", "low": 2, "high": 99}}, "space.model.depth: 99 is refused: "),
    ({"optimizer.name": choice("adamw", "lion")}, "space.optimizer.name: 'lion' is refused: "),
    ({"optimizer.name": choice("sgd", "sgd")}, '"sgd" stands there twice'),
    ({"optimizer.name": {"kind": "chioce", "options": []}}, "'chioce' is no kind of range; did you mean 'choice'?"),
    ({"optimizer.name": {"kind": ["choice"], "options": []}}, "['choice'] is no kind of range"),
    ({"seed": {"kind": "int", "low": 0, "high": 9}}, "space.seed: decides which trials can be compared"),
    ({}, "search.space: is empty"),
]
WRONG_SEARCHES = [
    ({"trials": 0}, "search.trials: 0 is refused"),
    ({"concurency": 2}, "search.concurency: there is no such setting; did you mean 'concurrency'?"),
    (TWO, "metric names 2, mode 1"),
    ({**TWO, "mode": ["max", "min"]}, "scheduler.name 'asha' compares one metric"),
    ({"sampler": {"name": "grid"}}, "space.optimizer.learning_rate: a grid needs values that can be counted"),
    ({"start": [{"model.depth": 3}]}, "search.start.0.model.depth: is not in the space"),
    ({"start": [{"model.base_filters": 3}]}, "search.start.0.model.base_filters: 3 is not in its range"),
]


@pytest.mark.parametrize(
    ("space", "search", "line"),
    [(space, {}, line) for space, line in WRONG_SPACES] + [(SPACE, search, line) for search, line in WRONG_SEARCHES],
)
def test_a_wrong_space_is_refused_in_one_line(
    space_of: SpaceOf, space: dict[str, Any], search: dict[str, Any], line: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        space_of(space, **search)
    (only,) = str(caught.value).splitlines()
    assert only.startswith("x.yaml: search")
    assert line in only


@pytest.mark.parametrize(
    ("others", "line"),
    [({"optimizer.name": choice("sgd")}, "'adamw' is never its value"), ({}, "is not in the space")],
)
def test_a_condition_that_can_never_hold_is_refused(space_of: SpaceOf, others: dict[str, Any], line: str) -> None:
    with pytest.raises(RecipeError, match=f"ema_decay.when.optimizer.name: {line}"):
        space_of({"optimizer.ema_decay": NESTED["optimizer.ema_decay"], **others}, start=[])


def test_two_settings_that_wait_for_each_other_are_refused(space_of: SpaceOf) -> None:
    circle = {
        "optimizer.name": {"kind": "choice", "options": ["adamw", "sgd"], "when": {"schedule.name": "cosine"}},
        "schedule.name": {"kind": "choice", "options": ["cosine", "step"], "when": {"optimizer.name": "sgd"}},
    }
    with pytest.raises(RecipeError, match="goes round in a circle: optimizer.name, schedule.name"):
        space_of(circle)


def test_an_end_is_tried_with_what_it_depends_on(space_of: SpaceOf) -> None:
    space = space_of(
        {
            "model.norm": {"kind": "choice", "options": ["none", "batch"]},
            "model.depth": {"kind": "int", "low": 1, "high": 2, "when": {"model.norm": ["none", "batch"]}},
        }
    )
    tried = [values for path, values in space.ends() if path == "model.depth"]
    assert tried == [{"model.norm": norm, "model.depth": depth} for norm in ("none", "batch") for depth in (1, 2)]


def test_a_setting_is_moved_only_where_its_condition_holds(space_of: SpaceOf) -> None:
    space = space_of(NESTED, start=[{"optimizer.ema_decay": 0.8}])
    assert list(space.ranges) == ["optimizer.name", "optimizer.ema_decay"]
    with_sgd = space.suggest(optuna.trial.FixedTrial({"optimizer.name": "sgd"}))
    assert with_sgd == {"optimizer.name": "sgd"}
    assert space.recipe(with_sgd).optimizer.ema_decay is None
    with_adamw = space.suggest(optuna.trial.FixedTrial({"optimizer.name": "adamw", "optimizer.ema_decay": 0.7}))
    assert space.recipe(with_adamw).optimizer.ema_decay == 0.7


def test_settings_that_need_each_other_are_changed_together() -> None:
    vit = Recipe.from_yaml(next(path for path in SEARCH_SPACES if path.stem == "vit"))
    changed = vit.with_settings({"model.dim": 192, "model.heads": 6})
    assert (changed.model.dim, changed.model.heads) == (192, 6)  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match="--set model.dim=192"):
        vit.with_settings({"model.dim": 192, "model.heads": 7})


def test_choices_may_be_lists(space_of: SpaceOf) -> None:
    sizes = [[], [4, 16]]
    space = space_of({"answer.smallest_part_px": {"kind": "choice", "options": sizes}})
    (path,) = space.ranges
    for size in sizes:
        kept = space.ranges[path].stored(size)
        assert space.settings({path: kept}) == {path: size}
    assert space.recipe({path: [4, 16]}).answer.smallest_part_px == (4, 16)


def test_a_grid_has_every_point_once(space_of: SpaceOf) -> None:
    space = space_of(
        {
            "optimizer.name": {"kind": "choice", "options": ["adamw", "sgd"]},
            "optimizer.ema_decay": {
                "kind": "uniform", "low": 0.5, "high": 0.9, "step": 0.2, "when": {"optimizer.name": "adamw"},
            },
        },
        sampler={"name": "grid"},
    )  # fmt: skip
    points = space.grid()
    assert len(points) == 4
    assert {"optimizer.name": "sgd"} in points


def test_trials_and_time_may_change_under_way_but_not_what_is_searched(space_of: SpaceOf) -> None:
    assert space_of(trials=3).fingerprint == space_of(trials=30, concurrency=1).fingerprint
    assert space_of({"optimizer.learning_rate": RATE}).fingerprint != space_of().fingerprint
    assert space_of(metric="val/loss", mode="min").fingerprint != space_of().fingerprint
