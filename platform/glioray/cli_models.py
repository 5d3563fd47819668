"""The verbs of models: models, settings, plan, ensemble, export, publish. Registered by `glioray.cli`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from glioray.cli_data import Json

Registry = Annotated[str, typer.Option(help="folder or fsspec address of the published models")]
Set = Annotated[list[str] | None, typer.Option("--set", help="change a setting: optimizer.learning_rate=1e-3")]


def models(registry: Registry = "registry", as_json: Json = False) -> None:
    """Lists the architectures, and what the registry holds."""
    from glioray import terminal
    from glioray.models import _contract as architectures
    from glioray.registry.card import headline
    from glioray.registry.store import Store

    store = Store(registry)
    rows = []
    for name in store.names():
        for version in store.versions(name):
            published, bundle = store.load(f"{name}@{version}")
            score = headline(bundle.config)
            rows.append((str(published), ", ".join(published.aliases), bundle.config.architecture, score))
    kinds = [(name, architectures.load(name).Config.task, architectures.title(name)) for name in architectures.names()]
    if as_json:
        typer.echo(json.dumps({"architectures": [kind[0] for kind in kinds], "published": [row[0] for row in rows]}))
        return
    terminal.table("Architectures", ("name", "task", "what it is"), kinds)
    terminal.table(f"\nPublished in {registry}", ("model", "aliases", "architecture", "score"), rows)


def settings(
    model: Annotated[str, typer.Argument(help="name of an architecture; `glioray models` lists them")],
    as_json: Json = False,
) -> None:
    """Lists every setting of a recipe with this architecture: its path, its default, and what it does."""
    from glioray import terminal
    from glioray.options import settings_of

    found = settings_of(model)
    if as_json:
        typer.echo(json.dumps([vars(setting) for setting in found], default=str))
        return
    rows = [(setting.path, setting.default, setting.text) for setting in found]
    terminal.table(f"A recipe with {model}", ("setting", "default", "what it does"), rows)


def plan(
    recipe: Annotated[Path, typer.Argument(help="a file of search_spaces/")],
    settings: Set = None,
    runs: Annotated[str, typer.Option(help="folder where the run would lie, or its address")] = "runs",
    machines: Annotated[int, typer.Option(min=1, help="like this one, that the workers would spread over")] = 1,
    as_json: Json = False,
) -> None:
    """Before 2. Tries a recipe for seconds: what it would take of time, memory and disk; refuses what cannot fit."""
    from glioray import terminal
    from glioray.data.place import local_folder
    from glioray.data.prepared import PreparedDataset
    from glioray.options import planned_recipe
    from glioray.recipe_file import command_of
    from glioray.training.estimate import estimate, require_room
    from glioray.training.plan import cautions, check_fit

    chosen, planned = planned_recipe(recipe, settings or ())
    for line in planned:
        terminal.say(line, as_json)
    data = PreparedDataset.open(local_folder(chosen.data.path), chosen.data.fold)
    check_fit(chosen, data)
    for line in cautions(chosen, data):
        terminal.say(line)
    found = estimate(chosen, data)
    facts = vars(found) if as_json else found.facts(chosen)
    terminal.close(as_json, "What it would take", facts, command_of("train", recipe, settings or ()))
    require_room(found, chosen, runs, machines)


def ensemble(
    bundles: Annotated[list[str], typer.Argument(help="two or more: runs, bundles, or NAME@VERSION of the registry")],
    out: Annotated[Path, typer.Option(help="folder of the new model, which is like a run's")],
    flips: Annotated[
        Literal["none", "horizontal", "both"] | None,
        typer.Option(help="mirrored copies that the answer is averaged over; default: as the members do"),
    ] = None,
    smallest_part_px: Annotated[
        int | None, typer.Option(min=0, help="parts of a mask below this are removed; default: the members' smallest")
    ] = None,
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """Between 4 and 5. Models of several folds, seeds or architectures to one whose answer is the mean of theirs."""
    from glioray import terminal
    from glioray.registry.card import answering, seed_text
    from glioray.registry.ensemble import Named, average, save_average
    from glioray.registry.locate import locate

    together = average([Named(name, locate(name, registry).bundle) for name in bundles], flips, smallest_part_px)
    is_new = save_average(together, out)
    config = together.config
    facts: dict[str, Any] = {
        "ensemble": terminal.relative(out),
        "is": f"{config.architecture}, {seed_text(config.seed)}",
        "answering": "; ".join(answering(config)),
        "learned_from": f"{len(config.learned_from)} scans",
        **({"leak": config.leak} if config.leak else {}),
        "scores": "none: the members' own say nothing of their average",
    }
    title = "Averaged" if is_new else "Complete before: nothing was done"
    # Folds have seen every patient between them: an evaluation on their data would be leaky.
    has_folds = len({recipe["data"].get("fold") for recipe in config.recipes}) > 1
    folder = terminal.relative(out)
    terminal.close(
        as_json, title, facts, f"glioray publish {folder} NAME" if has_folds else f"glioray evaluate {folder}"
    )


def export(
    bundle: Annotated[str, typer.Argument(help="a run's folder or its address, a bundle's, or NAME@VERSION")],
    out: Annotated[Path, typer.Option(help="the file")],
    kind: Annotated[
        Literal["onnx", "torch-export"], typer.Option("--format", help="onnx needs glioray[export]")
    ] = "onnx",
    data: Annotated[
        str | None,
        typer.Option(help="prepared folder whose val images prove the file; default: what it was trained on, if there"),
    ] = None,
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """After 4. A model as one file that another program runs, proved to answer as the service does."""
    from glioray import terminal
    from glioray.export.about import about
    from glioray.export.run import ALLOWED, proving_data
    from glioray.export.run import export as write
    from glioray.registry.locate import locate

    found = locate(bundle, registry).bundle
    done = write(found, kind, out, proving_data(found.config, data))
    said = about(found.config)
    facts = {
        "file": terminal.relative(out),
        "size_mb": round(done.size_bytes / 1e6, 3),
        "is": found.config.architecture,
        "input": f"{_tensor(said['input'])}, 0 to 255, prepared",
        "output": f"{_tensor(said['output'])}: {', '.join(said['output']['names'])}",
        **({"leak": found.config.leak} if found.config.leak else {}),
        "max_difference": done.difference,
        "max_difference_is": f"of a probability, over {done.num_random} random and {done.num_val} val images, in "
        f"batches of 1 and 3; {ALLOWED:g} is allowed" + ("" if done.num_val else ". --data DIR adds val images"),
    }
    terminal.close(as_json, "Exported", facts)


def _tensor(said: dict[str, Any]) -> str:
    """`pixels (batch, 1, 128, 128) float32`."""
    return f"{said['name']} ({', '.join(map(str, said['shape']))}) {said['type']}"


def publish(
    run: Annotated[str, typer.Argument(help="a run's folder or its address, or a bundle's")],
    name: Annotated[str, typer.Argument(help="of the model in the registry")],
    alias: Annotated[list[str] | None, typer.Option(help="besides `latest`")] = None,
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """Step 5. A trained model to the next version of a name, all at once or not at all."""
    from glioray import terminal
    from glioray.registry.locate import locate
    from glioray.registry.store import LATEST, Store
    from glioray.training.watching.registered import register
    from glioray.training.watching.tracking import asked_for

    server = asked_for(os.environ)
    found = locate(run, registry)
    published = Store(registry).publish(found.folder, name, (LATEST, *(alias or ())))
    facts = {
        "name": published.name,
        "version": published.version,
        "aliases": ", ".join(published.aliases),
        "registry": registry,
        "scores": len(found.bundle.config.scores) or "none: run `glioray evaluate` before publishing",
        **({"mlflow": register(server, found.folder, published)} if server else {}),
    }
    terminal.close(as_json, "Published", facts, f"glioray serve --registry {registry}")
