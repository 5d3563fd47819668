"""What a search costs and gains: seconds a trial beyond its training; and plain Optuna and ours in the same time.

    python benchmarks/tune.py [DATA] [--recipe search_spaces/classic_unet.yaml] [--epochs 8] [--seconds 300]
                              [--trials 50] [--picture curves.png] [--json]

DATA is a prepared folder; without one a phantom is made. First many trials of about a second of training, two at once:
`overhead_s` is what a trial takes of its place beyond the training itself, from the first epoch of all to the end of
the last trial. Then the search of the recipe for the same seconds, both clocks from before Ray starts: plain Optuna
calls the same training one trial after the other on all cores, without stopping any; ours runs two at once, a core
each, with the recipe's scheduler. `trials_ratio` is ours by plain in trials a minute.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import torch
from matplotlib.figure import Figure

from glioray.cluster import connect
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.errors import GliorayError
from glioray.recipe import Recipe
from glioray.training.memory import KEEP_MEMORY
from glioray.tuning.plan import opened, plan_sweep
from glioray.tuning.samplers import sampler_of
from glioray.tuning.space import SearchSpace
from glioray.tuning.study import COST, Study
from glioray.tuning.trial import Trial, rows_of, run_trial

AT_ONCE = 2
RATE = {"kind": "log_uniform", "low": 1e-4, "high": 1e-2}


@dataclass(frozen=True)
class Searched:
    """Seconds at which trials ended, with their values where they were complete, and the best of them."""

    ends: list[tuple[float, float | None]]

    @property
    def curve(self) -> list[tuple[float, float]]:
        best, found = float("-inf"), []
        for second, value in self.ends:
            best = max(best, float("-inf") if value is None else value)
            if best > float("-inf"):
                found.append((second, best))
        return found

    @property
    def trials_a_minute(self) -> float:
        return 60 * len(self.ends) / max(second for second, _ in self.ends)


def plain(space: SearchSpace, data: PreparedDataset, folder: Path, seconds: float) -> Searched:
    """What anybody would write; a trial that is under way when the time is up is not counted."""
    study = optuna.create_study(sampler=sampler_of(space.search, 0), direction="maximize")
    for point in space.search.points:
        study.enqueue_trial(space.at(point))
    sides, started_at, ends = rows_of(data), time.monotonic(), []
    while True:
        trial = study.ask()
        try:
            recipe = space.recipe(space.suggest(trial))
        except GliorayError:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        task = Trial(trial.number, recipe, data, folder / f"{trial.number:05d}", torch.get_num_threads())

        def end_late(_: object) -> None:
            if time.monotonic() - started_at > seconds:
                raise SystemExit

        try:
            outcome = run_trial(task, sides, end_late)
        except SystemExit:
            return Searched(ends)
        value = outcome.figures and outcome.figures["score"]
        if value is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
        ends.append((time.monotonic() - started_at, value))


def ours(space: SearchSpace, folder: Path) -> tuple[Study, Searched, float]:
    """The study, its ends, and the seconds until the first epoch of all was told."""
    plan = plan_sweep(space, folder, "sweep")
    with opened(plan):
        study = Study(space, plan.name, plan.storage)
        first: list[float] = []

        def see(study: Study) -> None:
            if not first and any(trial.intermediate_values for trial in study.trials):
                first.append(study.start_s)

        with connect("local", dashboard=True, variables=KEEP_MEMORY):
            from glioray.tuning.run import search

            search(plan, study, see)
    ends = sorted(
        (trial.user_attrs[COST]["after_s"], trial.value if trial.state.name == "COMPLETE" else None)
        for trial in study.ended
        if "time budget" not in trial.user_attrs["ended"]
    )
    return study, Searched(ends), first[0]


def overhead(folder: Path, trials: int) -> dict[str, float]:
    """Of small trials: seconds of a place that each takes beyond its training."""
    data = phantom(folder, 64)
    values = {
        "task": "segmentation",
        "data": {"path": str(data.folder)},
        "model": {"name": "classic_unet", "base_filters": 4, "depth": 3},
        "loss": {},
        "budget": {"epochs": 3, "batch_size": 16},
    }
    search = {
        "trials": trials,
        "concurrency": AT_ONCE,
        "sampler": {"name": "random"},
        "scheduler": {"name": "none"},
        "space": {"optimizer.learning_rate": RATE},
    }
    study, found, first_s = ours(SearchSpace.from_values(Recipe.from_values(values), search), folder / "overhead")
    training = [trial.user_attrs[COST]["seconds"] for trial in study.ended]
    working_s = max(second for second, _ in found.ends) - first_s
    return {
        "trials": trials,
        "training_s": round(sum(training) / trials, 3),
        "overhead_s": round((working_s * AT_ONCE - sum(training)) / trials, 3),
        "start_s": round(first_s, 1),
    }


def side_by_side(data: PreparedDataset, recipe: Path, epochs: int, seconds: float, folder: Path) -> dict[str, Searched]:
    settings = [
        f"data.path={data.folder}",
        f"budget.epochs={epochs}",
        "search.trials=1000",
        f"search.concurrency={AT_ONCE}",
    ]
    settings += [f"schedule.warmup_epochs={min(1, epochs - 1)}", "search.resources.cpus=1"]
    space = SearchSpace.from_yaml(recipe, settings)
    found = {"plain Optuna, one after the other": plain(space, data, folder / "plain", seconds)}
    timed = replace(space, search=space.search.model_copy(update={"time_budget_s": seconds}))
    found[f"ours, two at once, {space.search.scheduler.name}"] = ours(timed, folder / "ours")[1]
    return found


def phantom(folder: Path, image_size: int) -> PreparedDataset:
    write_phantom(folder / "raw", PhantomSettings(num_patients=24, image_size=96, num_slices=16))
    return prepare(
        "phantom", folder / "raw", folder / "data", PrepareOptions(task="segmentation", image_size=image_size)
    )


def draw(found: dict[str, Searched], seconds: float, path: Path) -> None:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, searched), color in zip(found.items(), ("#667380", "#1f6f8b"), strict=True):
        curve = [*searched.curve, (seconds, searched.curve[-1][1])] if searched.curve else []
        axes.step(
            [second for second, _ in curve], [best for _, best in curve], where="post", color=color, linewidth=1.8,
            label=f"{name}: {len(searched.ends)} trials",
        )  # fmt: skip
    axes.set(xlabel="seconds since the start", ylabel="best score on val", xlim=(0, seconds))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=140)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("search_spaces/classic_unet.yaml"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        small, folder = Path(place) / "small", Path(place) / "search"
        cost = overhead(small, arguments.trials)
        data = PreparedDataset.open(arguments.data) if arguments.data else phantom(folder, 128)
        found = side_by_side(data, arguments.recipe, arguments.epochs, arguments.seconds, folder)
    if arguments.picture:
        draw(found, arguments.seconds, arguments.picture)
    rates = [searched.trials_a_minute for searched in found.values()]
    best = {name: searched.curve[-1][1] if searched.curve else None for name, searched in found.items()}
    if arguments.json:
        print(json.dumps({**cost, "trials_ratio": round(rates[1] / rates[0], 2), "best": best}))
        return
    print(
        f"{cost['trials']} trials of {cost['training_s']} s, {AT_ONCE} at once: {cost['overhead_s']} s each beyond the "
        f"training; the first epoch was told after {cost['start_s']} s\n"
    )
    print(f"{'':<40}{'trials':>8}{'a minute':>10}{'best on val':>13}")
    for name, searched in found.items():
        shown = "" if best[name] is None else f"{best[name]:.4f}"
        print(f"{name:<40}{len(searched.ends):>8}{searched.trials_a_minute:>10.2f}{shown:>13}")
    print(f"ratio of trials a minute: {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
