"""What the chosen recipe is worth: trained once more with a seed that chose nothing, and tested once."""

from __future__ import annotations

from collections.abc import Callable

from glioray.data.progress import OnProgress
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.together import evaluate_runs
from glioray.frozen import Frozen
from glioray.recipe import Recipe
from glioray.registry.bundle import Score
from glioray.registry.locate import locate
from glioray.registry.run_folder import BUNDLE
from glioray.training.plan import Plan, plan_run
from glioray.training.record import best_row, read_metrics
from glioray.tuning.plan import FINAL, SweepPlan

DEFAULT, FOUND = "default", "found"


class Confirmed(Frozen):
    """A recipe trained anew: what validation says, and what the test split said, once."""

    name: str
    folder: str
    seed: int
    val_score: float
    test: tuple[Score, ...]


def confirm(plan: SweepPlan, found: Recipe, train: Callable[[Plan], object], show: OnProgress) -> tuple[Confirmed, ...]:
    """The recipe as it stood and the one that was found, both with the same fresh seed.

    A run that is complete is not trained again, and one that was tested is not tested again.

    Args:
        plan: of the sweep.
        found: the chosen recipe.
        train: step 2, for a plan of a run.
        show: told what is under way.
    """
    confirmed = []
    for name, recipe in _recipes(plan, found).items():
        run = plan_run(recipe, plan.folder / FINAL, _folder_name(name, recipe))
        if not run.is_complete:
            train(run)
        val_score = best_row(read_metrics(run.folder))["score"]
        test = _test(run, plan, show)
        confirmed.append(Confirmed(name=name, folder=str(run.folder), seed=recipe.seed, val_score=val_score, test=test))
    return tuple(confirmed)


def is_confirmed(plan: SweepPlan, found: Recipe) -> bool:
    """Whether there is nothing left to train."""
    return all(
        (plan.folder / FINAL / _folder_name(name, recipe) / BUNDLE).exists()
        for name, recipe in _recipes(plan, found).items()
    )


def _recipes(plan: SweepPlan, found: Recipe) -> dict[str, Recipe]:
    """With the fresh seed; one where nothing better was found."""
    recipes = {FOUND: found} if found == plan.space.base else {DEFAULT: plan.space.base, FOUND: found}
    seed = plan.space.base.seed + 1
    return {name: plan.recipe_of(recipe).with_values("seed", seed) for name, recipe in recipes.items()}


def _folder_name(name: str, recipe: Recipe) -> str:
    return f"{name}-{recipe.fingerprint}"


def _test(run: Plan, plan: SweepPlan, show: OnProgress) -> tuple[Score, ...]:
    """What stands in the run's bundle, or else the test split, read now."""
    scores = locate(str(run.folder), "").bundle.config.scores
    if scores:
        return scores
    entry = Entry(str(run.folder), locate(str(run.folder), ""))
    return evaluate_runs([entry], plan.data.folder, None, "test", show).evaluations[0].scores
