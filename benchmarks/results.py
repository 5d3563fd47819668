"""The tables of docs/results.md: trains each row with every seed and fold, tests it, writes a Markdown table.

    python benchmarks/results.py benchmarks/tables/kaggle.yaml --out results/kaggle [--json]
    python benchmarks/results.py benchmarks/tables/kaggle.yaml --out results/kaggle --measured benchmarks/measured
    python benchmarks/results.py benchmarks/tables/lgg.yaml --out results/lgg --rows plain classic_unet --epochs 1

Run from the folder of the project, with the data of the table prepared (its head says how). Trains by glioray's own
loop in this process, without Ray. A complete run is not trained again, one that was killed goes on from its last
epoch, and a row that is complete is not tested again: the same command ends with the same table. Two of these programs
may share a folder if their rows differ. `--measured` takes rows from what was measured before for the same recipes and
data, so that a table need not be trained anew to be looked at; what is measured goes to OUT/lines.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from _tables import Asked, Line, Row, markdown

from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.errors import GliorayError
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.together import evaluate_runs
from glioray.models._contract import num_parameters
from glioray.options import planned_recipe
from glioray.recipe import Recipe
from glioray.registry.bundle import WEIGHTS, ModelBundle
from glioray.registry.ensemble import Named, average, save_average
from glioray.registry.locate import locate
from glioray.serving.predictor import Predictor
from glioray.training.checkpoints import checkpoints
from glioray.training.local import train
from glioray.training.news import Progress
from glioray.training.plan import Plan, plan_run
from glioray.training.record import BUNDLE, History, read_metrics

BATCHES = (1, 32)
MIN_SECONDS = 3.0


@dataclass(frozen=True)
class Options:
    """What the command line asks beside the table."""

    out: Path
    device: str
    epochs: int | None
    measured: Path | None


@dataclass(frozen=True)
class Run:
    """Complete trainings that answer together; mostly a single one."""

    plans: tuple[Plan, ...]

    @property
    def histories(self) -> list[History]:
        """One row of metrics an epoch, of each."""
        return [read_metrics(plan.folder) for plan in self.plans]

    @property
    def epoch_s(self) -> float:
        """Of all together, each the median without its first epoch."""
        return sum(statistics.median(row["epoch_s"] for row in history[1:] or history) for history in self.histories)

    def place(self, average_folder: Path) -> Path:
        """Where the bundle is that answers."""
        if len(self.plans) == 1:
            return self.plans[0].folder
        names = [str(plan.folder) for plan in self.plans]
        save_average(average([Named(name, locate(name, "").bundle) for name in names]), average_folder)
        return average_folder


def main() -> None:
    """Makes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of what they came to")
    parser.add_argument("--measured", type=Path, help="folder of rows that were measured before")
    parser.add_argument("--rows", nargs="+", metavar="LABEL", help="only these")
    parser.add_argument("--seeds", nargs="+", type=int, help="in the place of the table's")
    parser.add_argument("--epochs", type=int, help="of every row, in the place of its recipe's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    options = Options(given.out, given.device, given.epochs, given.measured)
    try:
        asked = Asked.read(given.table)
        asked = asked.model_copy(update={"seeds": tuple(given.seeds or asked.seeds)})
        lines = [line_of(row, asked, options) for row in chosen_rows(asked, given.rows)]
    except GliorayError as error:
        raise SystemExit(str(error)) from None
    text = markdown(asked, lines)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{given.table.stem}.md").write_text(text + "\n")
    print(json.dumps([line.values() for line in lines]) if given.json else text)


def chosen_rows(asked: Asked, labels: list[str] | None) -> list[Row]:
    """Those of the labels, or all."""
    if unknown := sorted(set(labels or ()) - {row.label for row in asked.rows}):
        raise SystemExit(f"no row is called {unknown[0]!r}; there is: {', '.join(row.label for row in asked.rows)}")
    return [row for row in asked.rows if labels is None or row.label in labels]


def line_of(row: Row, asked: Asked, options: Options) -> Line:
    """What the row came to, from its file if it is there and of the same recipes and data."""
    members = asked.members(row)
    places = [(seed, fold) for seed in asked.seeds for fold in asked.folds or (None,)]
    recipes = [[recipe_of(member, asked, options, *place) for member in members] for place in places]
    fingerprint = hashlib.sha256("".join(map(fingerprint_of, chain(*recipes))).encode()).hexdigest()[:8]
    kept = options.out / "lines" / f"{row.slug}-{fingerprint}.json"
    for place in (kept, *([options.measured / kept.name] if options.measured else [])):
        if place.exists():
            return Line.model_validate_json(place.read_bytes())
    runs = [
        Run(tuple(trained(member.label, recipe, options) for member, recipe in zip(members, of_run, strict=True)))
        for of_run in recipes
    ]
    line = tested(row, runs, fingerprint, options)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(line.model_dump_json(indent=2))
    return line


def recipe_of(row: Row, asked: Asked, options: Options, seed: int, fold: int | None) -> Recipe:
    settings = {**asked.settings, **row.settings, "seed": seed}
    settings |= {} if fold is None else {"data.fold": fold}
    settings |= {} if options.epochs is None else {"budget.epochs": options.epochs}
    written = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    return planned_recipe(row.recipe, written)[0]


def fingerprint_of(recipe: Recipe) -> str:
    return recipe.fingerprint + PreparedDataset.open(Path(recipe.data.path), recipe.data.fold).manifest.fingerprint


def trained(label: str, recipe: Recipe, options: Options) -> Plan:
    """A complete run; its checkpoints are removed, its bundle stays."""
    plan = plan_run(recipe, options.out / "runs")
    if plan.is_complete:
        return plan

    def show(progress: Progress) -> None:
        if progress.metrics is not None:
            row = progress.metrics
            figures = f"loss {row['loss']:.4f}, val {row['val/loss']:.4f}, score {row['score']:.4f}"
            fold = "" if recipe.data.fold is None else f", fold {recipe.data.fold}"
            where = f"{label}, seed {recipe.seed}{fold}: {progress.epoch}/{progress.epochs}"
            print(f"{where}  {figures}, best in {int(row['best_epoch'])}, {row['epoch_s']:.1f} s", file=sys.stderr)

    train(plan, show, device=options.device)
    for checkpoint in checkpoints(plan.folder):
        shutil.rmtree(checkpoint)
    return plan


def tested(row: Row, runs: list[Run], fingerprint: str, options: Options) -> Line:
    """Every run on its test side, all folds together; and what the first one weighs and how fast it answers."""
    name = f"{row.slug}-{fingerprint}"
    places = [run.place(options.out / "averages" / name / str(number)) for number, run in enumerate(runs)]
    entries = [Entry(str(place), locate(str(place), "")) for place in places]
    data = runs[0].plans[0].data
    out = options.out / "tested" / name
    folds = {run.plans[0].recipe.data.fold for run in runs}
    if len(runs) == 1 or folds in ({None}, set(range(data.manifest.settings.folds or 0))):
        asked = [(entries, out if len(runs) > 1 else None)]
    else:  # some of the folds have no figure of their own together
        asked = [([entry], None) for entry in entries]
    evaluated = [evaluate_runs(those, data.folder, to, "test", lambda *_: None, options.device) for those, to in asked]
    bundle = entries[0].found.bundle
    return Line(
        label=row.label,
        fingerprint=fingerprint,
        parameters=num_parameters(bundle.build()),
        weights_mb=(places[0] / BUNDLE / WEIGHTS).stat().st_size / 1e6,
        epochs=tuple(len(history) for run in runs for history in run.histories),
        best_epochs=tuple(int(history[-1]["best_epoch"]) for run in runs for history in run.histories),
        epoch_s=statistics.median(run.epoch_s for run in runs),
        answers_per_s=answers_per_s(bundle, data, options.device),
        threads=torch.get_num_threads(),
        evaluations=tuple(chain(*(one.evaluations for one in evaluated))),
    )


def answers_per_s(bundle: ModelBundle, data: PreparedDataset, device: str) -> dict[str, float]:
    """Images of the test side a second, by the predictor of the service, one and many at once."""
    predictor = Predictor.load(bundle, device)
    found = {}
    for size in BATCHES:
        images = next(iterate_batches(data.folder, data.manifest, "test", size))["image"]
        predictor.predict(images)
        count, started_at = 0, time.perf_counter()
        while time.perf_counter() - started_at < MIN_SECONDS:
            predictor.predict(images)
            count += len(images)
        found[str(size)] = count / (time.perf_counter() - started_at)
    return found


if __name__ == "__main__":
    main()
