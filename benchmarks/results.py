"""The tables of docs/results.md: trains each row with every seed and fold, tests it, writes a Markdown table.

    python benchmarks/results.py benchmarks/tables/kaggle.yaml --out results/kaggle [--json]
    python benchmarks/results.py benchmarks/tables/lgg.yaml --out results/lgg --rows plain classic_unet --epochs 1

Run from the folder of the project, with the data of the table prepared (its head says how). Trains by glioray's own
loop in this process, without Ray. A complete run is not trained again, one that was killed goes on from its last
epoch, and a row that is complete is not tested again: the same command ends with the same table. Two of these programs
may share a folder if their rows differ.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from _tables import Asked, Line, Row, markdown

from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.errors import GliorayError
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.together import evaluate_runs
from glioray.options import planned_recipe
from glioray.recipe import Recipe
from glioray.registry.bundle import WEIGHTS, ModelBundle
from glioray.registry.locate import locate
from glioray.serving.predictor import Predictor
from glioray.training.loop import fit
from glioray.training.plan import Plan, plan_run
from glioray.training.record import BUNDLE, METRICS, write_bundle, write_metrics
from glioray.training.state import read_history
from glioray.training.worker import LocalWorker, Progress, checkpoint_name, checkpoints

BATCHES = (1, 32)
MIN_SECONDS = 3.0


@dataclass(frozen=True)
class Options:
    """What the command line asks beside the table."""

    out: Path
    device: str
    epochs: int | None


def main() -> None:
    """Makes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of what they came to")
    parser.add_argument("--rows", nargs="+", metavar="LABEL", help="only these")
    parser.add_argument("--seeds", nargs="+", type=int, help="in the place of the table's")
    parser.add_argument("--epochs", type=int, help="of every row, in the place of its recipe's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    options = Options(given.out, given.device, given.epochs)
    try:
        asked = shortened(Asked.read(given.table), given.rows, given.seeds)
        lines = [line_of(row, asked, options) for row in asked.rows]
    except GliorayError as error:
        raise SystemExit(str(error)) from None
    text = markdown(asked, lines)
    (given.out / f"{given.table.stem}.md").write_text(text + "\n")
    print(json.dumps([line.values() for line in lines]) if given.json else text)


def shortened(asked: Asked, rows: list[str] | None, seeds: list[int] | None) -> Asked:
    """The table with some of its rows and with other seeds."""
    if unknown := sorted(set(rows or ()) - {row.label for row in asked.rows}):
        raise SystemExit(f"no row is called {unknown[0]!r}; there is: {', '.join(row.label for row in asked.rows)}")
    kept = tuple(row for row in asked.rows if rows is None or row.label in rows)
    return asked.model_copy(update={"rows": kept, "seeds": tuple(seeds or asked.seeds)})


def line_of(row: Row, asked: Asked, options: Options) -> Line:
    """What the row came to, from its file if it is there and of the same recipes and data."""
    recipes = [recipe_of(row, asked, options, seed, fold) for seed in asked.seeds for fold in asked.folds or (None,)]
    fingerprint = hashlib.sha256("".join(map(fingerprint_of, recipes)).encode()).hexdigest()[:8]
    kept = options.out / "lines" / f"{row.slug}-{fingerprint}.json"
    if kept.exists():
        return Line.model_validate_json(kept.read_bytes())
    plans = [trained(row.label, recipe, options) for recipe in recipes]
    line = tested(row, plans, fingerprint, options)
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

    fit(recipe, plan.data, LocalWorker(plan.data, plan.folder, recipe.seed, torch.device(options.device), show))
    history = read_history(checkpoints(plan.folder)[-1])
    best = int(history[-1]["best_epoch"])
    write_metrics(plan.folder, history)
    write_bundle(plan.folder, recipe, plan.data, plan.folder / checkpoint_name(best), best)
    for checkpoint in checkpoints(plan.folder):
        shutil.rmtree(checkpoint)
    return plan


def tested(row: Row, plans: list[Plan], fingerprint: str, options: Options) -> Line:
    """Every run on its test side, folds together; and what the first one weighs and how fast it answers."""
    entries = [Entry(str(plan.folder), locate(str(plan.folder), "")) for plan in plans]
    out = options.out / "tested" / f"{row.slug}-{fingerprint}" if len(plans) > 1 else None
    found = evaluate_runs(entries, plans[0].data.folder, out, "test", lambda *_: None, options.device)
    histories = [history_of(plan) for plan in plans]
    bundle = entries[0].found.bundle
    return Line(
        label=row.label,
        fingerprint=fingerprint,
        parameters=sum(parameter.numel() for parameter in bundle.build().parameters()),
        weights_mb=(plans[0].folder / BUNDLE / WEIGHTS).stat().st_size / 1e6,
        epochs=tuple(len(history) for history in histories),
        best_epochs=tuple(int(history[-1]["best_epoch"]) for history in histories),
        epoch_s=statistics.median(row["epoch_s"] for history in histories for row in history[1:] or history),
        answers_per_s=answers_per_s(bundle, plans[0], options.device),
        threads=torch.get_num_threads(),
        evaluations=found.evaluations,
    )


def history_of(plan: Plan) -> list[dict[str, float]]:
    with (plan.folder / METRICS).open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def answers_per_s(bundle: ModelBundle, plan: Plan, device: str) -> dict[str, float]:
    """Images of the test side a second, by the predictor of the service, one and many at once."""
    predictor = Predictor.load(bundle, device)
    found = {}
    for size in BATCHES:
        images = next(iterate_batches(plan.data.folder, plan.data.manifest, "test", size))["image"]
        predictor.predict(images)
        count, started_at = 0, time.perf_counter()
        while time.perf_counter() - started_at < MIN_SECONDS:
            predictor.predict(images)
            count += len(images)
        found[str(size)] = count / (time.perf_counter() - started_at)
    return found


if __name__ == "__main__":
    main()
