"""The verbs: one for each step of the way of the data, and demo, models, doctor, phantom.

Everything heavy is imported inside the verb that needs it: `glioray --help` loads neither torch nor Ray.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from glioray import cli_ask, cli_data, cli_insight, cli_models, cli_tune
from glioray.cli_data import Address, Json
from glioray.cli_models import Registry, Set
from glioray.ending import Ending
from glioray.errors import GliorayError

if TYPE_CHECKING:
    from glioray.training.finished import Run
    from glioray.training.plan import Plan

app = typer.Typer(
    help="From a folder of brain MRI to an honest, explained model behind an HTTP address. "
    "Research use only, not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

VERBS: tuple[Callable[..., None], ...] = (
    *(cli_data.phantom, cli_data.download, cli_data.audit, cli_data.sources, cli_data.prepare),
    *(cli_models.models, cli_models.settings, cli_models.plan, cli_models.ensemble),
    *(cli_models.export, cli_models.publish),
    *(cli_insight.compare, cli_insight.explain, cli_insight.survival),
    *(cli_tune.tune, cli_ask.ask, cli_ask.rollout),
)
for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Runs the command line; what a user can cause is one line on the error stream and exit code 1."""
    ending = Ending()
    try:
        app()
    except SystemExit as end:
        ending.code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except (GliorayError, OSError) as error:
        from glioray.terminal import say

        say(f"{type(error).__name__}: {error}")
        sys.exit(1)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="a file of search_spaces/")],
    settings: Set = None,
    name: Annotated[str | None, typer.Option(help="of the run; default: made from recipe and data")] = None,
    runs: Annotated[str, typer.Option(help="folder of the runs, shared by all nodes, or s3://BUCKET/runs")] = "runs",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Step 2. Shards and a recipe to a trained model; the same command goes on after a kill."""
    from glioray import terminal
    from glioray.cluster import connect, require_lasting
    from glioray.options import planned_recipe
    from glioray.training.plan import cautions, plan_run
    from glioray.training.watch import Watcher
    from glioray.training.watching.choice import chosen_listeners
    from glioray.training.watching.listener import told
    from glioray.training.watching.page import FILE_NAME, Invocation
    from glioray.training.watching.tracking import deliver

    require_lasting(runs)
    chosen, planned = planned_recipe(recipe, settings or ())
    for line in planned:
        terminal.say(line, as_json)
    plan = plan_run(chosen, runs, name)
    folder = terminal.relative(plan.place.place)
    following = f"glioray evaluate {folder}"
    if plan.is_complete:
        sent = deliver(plan, os.environ)
        terminal.close(as_json, "Complete before: nothing was trained", {"run": folder, **sent}, following)
        return

    def say(line: str) -> None:
        terminal.say(line, as_json)

    for line in cautions(plan.recipe, plan.data):
        terminal.say(line)
    invocation = Invocation.of(recipe, settings or (), name, runs, folder)
    listeners = chosen_listeners(plan, invocation, os.environ, say)
    started_at = time.perf_counter()
    say("waits for Ray")
    with terminal.bars(as_json) as show, connect(address, dashboard=True):
        from glioray.training.ray_metrics import RayMetrics
        from glioray.training.run import train as run

        with told(plan, (Watcher(show, say, plan.measure), *listeners, RayMetrics(plan)), say) as audience:
            done = run(plan, audience, say)
    elapsed_s = round(time.perf_counter() - started_at, 1)
    facts = {"run": folder, **_figures(plan, done), "page": f"{folder}/{FILE_NAME}", "elapsed_s": elapsed_s}
    terminal.close(as_json, "Trained", facts, following)


def _figures(plan: Plan, done: Run) -> dict[str, Any]:
    """What a training came to, by names."""
    from glioray import terminal
    from glioray.training.record import best_row

    best = best_row(done.history)
    return {
        "epochs": len(done.history),
        "best_epoch": int(best["epoch"]),
        "val_score": round(best["score"], 4),
        "val_score_is": f"{plan.measure} over {plan.data.describe('val')}, seed {plan.recipe.seed}; it chose the "
        "epoch, no test score",
        "epoch_s": round(sum(row["epoch_s"] for row in done.history) / len(done.history), 2),
        "feeding": done.feeding,
        "bundle": terminal.relative(done.bundle),
    }


@app.command()
def evaluate(
    bundles: Annotated[
        list[str],
        typer.Argument(
            help="a run's folder or its address, a bundle's folder, or NAME@VERSION of the registry; several: all "
            "folds of the data, which are scored as one, or several seeds of one split"
        ),
    ],
    data: Annotated[
        str | None, typer.Option(help="prepared folder, or its address; default: what it was trained on")
    ] = None,
    side: Annotated[Literal["train", "val", "test"], typer.Option(help="test: once, at the end")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(
            help="folder of the report; default: evaluation/ in the run (of val evaluation-val/), several: evaluations/"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda")] = "cpu",
    leaky: Annotated[
        bool, typer.Option("--leaky", help="score scans that it has learned from too; every score then says so")
    ] = False,
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """Step 4. A model and the test split to scores by patient or group, with intervals and a report."""
    from glioray import terminal
    from glioray.data.place import local_folder
    from glioray.evaluation.arrangement import Entry
    from glioray.evaluation.together import evaluate_runs
    from glioray.registry.locate import locate

    entries = [Entry(name, locate(name, registry)) for name in bundles]
    place = local_folder(data or entries[0].config.data_place)
    with terminal.bars(as_json) as show:
        found = evaluate_runs(entries, place, out, side, show, device, leaky)
    for entry in entries:
        entry.found.send()
    facts = found.values if as_json else found.summary | {"report": found.page}
    is_one = len(bundles) == 1
    following = f"glioray publish {bundles[0]} NAME" if is_one else f"glioray ensemble {' '.join(bundles)} --out FOLDER"
    terminal.close(as_json, "Evaluated", facts, following)


@app.command()
def serve(
    models: Annotated[list[str] | None, typer.Argument(help="NAME, NAME@VERSION or NAME@ALIAS; default: all")] = None,
    config: Annotated[Path, typer.Option(help="settings, as `serve run` takes them")] = Path("serve/local.yaml"),
    registry: Annotated[str | None, typer.Option(help="instead of the config's")] = None,
    host: Annotated[str, typer.Option(help="address to listen on; only the loopback without keys")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="to listen on, outside 10002-19999")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="file with a NAME:KEY a line, instead of the config's")] = None,
) -> None:
    """Step 6. Published models behind an HTTP address; Ctrl-C ends it."""
    from glioray import terminal
    from glioray.serving.keys import find_keys
    from glioray.serving.run import run
    from glioray.serving.settings import ServeArgs

    instead: dict[str, Any] = {"registry": registry} if registry else {}
    instead |= {"keys_file": str(keys)} if keys else {}
    args = ServeArgs.from_yaml(config, **instead, **({"models": tuple(models)} if models else {}))

    found = find_keys(os.environ, args.keys_file)

    def on_ready(url: str) -> None:
        facts = {"page": f"{url}/", "API": f"{url}/docs", "models": f"{url}/v1/models"}
        facts["open to"] = "this machine; no keys are given" if found is None else "whoever has a key"
        key = "" if found is None else "-H 'X-API-Key: KEY' "
        terminal.close(False, "Serving", facts, f"curl {key}-F file=@IMAGE {url}/v1/classify")

    run(args, host, port, on_ready, found)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder of everything that the demo makes")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """The whole way on synthetic patients: prepare, train, evaluate, publish, serve, ask; then a page to look at."""
    from glioray import terminal
    from glioray.demo.run import run_demo

    with terminal.bars(as_json) as show:
        facts = run_demo(out, show, lambda line: terminal.say(line, as_json))
    terminal.close(as_json, "The whole way, on SYNTHETIC patients", facts, f"open {out}/index.html")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Says what this machine has, and what is wrong with it."""
    from glioray.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([finding.__dict__ for finding in findings]))
    else:
        from glioray import terminal

        rows = [("ok" if finding.is_fine else "!!", finding.name, finding.text) for finding in findings]
        terminal.table("This machine", ("", "what", "found"), rows)
    if not all(finding.is_fine for finding in findings):
        raise typer.Exit(1)
