"""The verb tune. Registered by `glioray.cli`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glioray.cli_data import Address, Json
from glioray.cli_models import Registry, Set

if TYPE_CHECKING:
    from glioray.tuning.confirm import Confirmed
    from glioray.tuning.plan import SweepPlan
    from glioray.tuning.result import SweepResult
    from glioray.tuning.study import Study


def tune(
    recipe: Annotated[Path, typer.Argument(help="a file of search_spaces/ with a `search:`")],
    settings: Set = None,
    name: Annotated[str | None, typer.Option(help="of the sweep; default: made from space and data")] = None,
    sweeps: Annotated[str, typer.Option(help="folder of the sweeps, shared by all nodes")] = "sweeps",
    storage: Annotated[
        str | None,
        typer.Option(help="database of the study, as postgresql+psycopg://USER@HOST/DB; default: a file in the sweep"),
    ] = None,
    address: Address = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with a sweep that is there, never begin one")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what is searched and how long it takes")] = False,
    confirm: Annotated[
        bool, typer.Option(help="train default and found once more with a fresh seed, and read the test split once")
    ] = True,
    publish: Annotated[str | None, typer.Option(metavar="NAME", help="publish what was found under this name")] = None,
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """Step 3. Shards, a recipe and its search to the best recipe; the same command goes on after a kill."""
    from glioray import terminal
    from glioray.cluster import require_lasting
    from glioray.tuning.plan import opened, plan_sweep
    from glioray.tuning.space import SearchSpace
    from glioray.tuning.study import Study, storage_told

    require_lasting(sweeps)
    space = SearchSpace.from_yaml(recipe, settings or ())
    plan = plan_sweep(space, sweeps, name, storage, must_be_there=resume)
    command = _command(recipe, settings or (), name, sweeps, storage)
    if dry_run:
        _show_space(plan, as_json, recipe, command)
        return
    with opened(plan), storage_told(plan.storage):
        study = Study(space, plan.name, plan.storage)
        confirmed = _searched(plan, study, address, confirm, command, as_json)
        result = _written(plan, study, confirmed, command)
    facts = _facts(plan, result)
    if not study.is_complete:
        terminal.close(as_json, "Interrupted: the same command goes on", facts, command)
        return
    if publish:
        facts["published"] = _published(plan, result, publish, registry)
    best = f"{terminal.relative(plan.folder)}/best.yaml"
    following = f"glioray serve --registry {registry}" if publish else f"glioray train {best}"
    terminal.close(as_json, "Searched", facts, following)


def _searched(
    plan: SweepPlan, study: Study, address: str | None, confirm: bool, command: str, as_json: bool
) -> tuple[Confirmed, ...]:
    """Runs what is left to run; Ray is started only where something is."""
    from glioray import terminal
    from glioray.cluster import connect
    from glioray.training.memory import KEEP_MEMORY
    from glioray.tuning.confirm import confirm as confirmed_by
    from glioray.tuning.confirm import is_confirmed
    from glioray.tuning.result import write_best
    from glioray.tuning.watch import Watcher

    def say(line: str) -> None:
        terminal.say(line, as_json)

    found = write_best(plan, study)
    if study.is_complete and found and (not confirm or is_confirmed(plan, found)):
        return confirmed_by(plan, found, lambda _: None, lambda *_: None) if confirm else ()
    if study.num_resumed or study.ended:
        say(f"goes on: {len(study.ended)} trials have ended, {study.num_resumed} go on from their last checkpoint")
    with connect(address, dashboard=True, variables=KEEP_MEMORY):
        from glioray.training.run import train
        from glioray.tuning.run import search

        with terminal.live(as_json) as draw:
            watcher = Watcher(draw, say, lambda: _write(plan, study, (), command))
            search(plan, study, watcher, say)
            watcher.look(study)
        found = write_best(plan, study)
        if not confirm or found is None or not study.is_complete:
            return ()
        _write(plan, study, (), command)
        say("trains the default recipe and the found one once more, with a seed that chose nothing")
        with terminal.bars(as_json) as show:
            return confirmed_by(plan, found, lambda run: train(run, say=say), show)


def _written(plan: SweepPlan, study: Study, confirmed: tuple[Confirmed, ...], command: str) -> SweepResult:
    """The sweep's own files.

    Raises:
        ModelError: no trial came to its end.
    """
    from glioray.errors import ModelError

    result = _write(plan, study, confirmed, command)
    if result.chosen is None:
        reasons = ["none began", *(row.ended for row in result.trials if row.ended)]
        raise ModelError(f"{plan.folder}: no trial of {len(result.trials)} came to its end; the last: {reasons[-1]}")
    return result


def _write(plan: SweepPlan, study: Study, confirmed: tuple[Confirmed, ...], command: str) -> SweepResult:
    from glioray import terminal
    from glioray.tuning.page import write_page
    from glioray.tuning.result import SweepResult

    result = SweepResult.of(plan, study, confirmed)
    result.save(plan.folder)
    write_page(plan, result, command, terminal.relative(plan.folder))
    return result


def _facts(plan: SweepPlan, result: SweepResult) -> dict[str, Any]:
    from glioray import terminal
    from glioray.pages import duration
    from glioray.tuning.page import FILE_NAME
    from glioray.tuning.result import test_text

    by, best = result.rows_of, result.chosen
    assert best is not None
    folder = terminal.relative(plan.folder)
    importance = _words({path: f"{share:.0%}" for path, share in list(result.importance.items())[:4]})
    return {
        "sweep": folder,
        "trials": f"{len(by['complete'])} complete, {len(by['stopped'])} stopped, {len(by['failed'])} failed",
        "best": f"trial {best.number}, {result.value_text(best)}; it was chosen by this, no test score",
        "changed": _words({path: after for path, _, after in result.changed}) or "nothing: the recipe as it stood",
        **{
            f"{row.name}, seed {row.seed}": f"val {row.val_score:.4f}; {test_text(row, result.leak)}"
            for row in result.confirmed
        },
        **({"importance": importance} if importance else {}),
        "took": f"{duration(result.spent_s)}, {result.core_s:,.0f} core-seconds of training",
        "page": f"{folder}/{FILE_NAME}",
    }


def _published(plan: SweepPlan, result: SweepResult, name: str, registry: str) -> str:
    """The confirmed run of the found recipe, or where nothing was confirmed the bundle of the best trial."""
    from glioray.registry.locate import locate
    from glioray.registry.store import LATEST, Store

    assert result.chosen is not None
    trained = Path(result.confirmed[-1].folder) if result.confirmed else plan.trial_folder(result.chosen.number)
    return str(Store(registry).publish(locate(str(trained), registry).folder, name, (LATEST,)))


def _show_space(plan: SweepPlan, as_json: bool, recipe: Path, following: str) -> None:
    """What is searched, and from a trial of seconds how long it takes."""
    from glioray import terminal
    from glioray.pages import duration
    from glioray.training.estimate import estimate

    space, search = plan.space, plan.space.search
    found = estimate(space.base, plan.data)
    all_s = found.run_s * search.trials / search.concurrency
    budget = search.time_budget_s
    facts: dict[str, Any] = {
        "trials": search.trials,
        "at_once": search.concurrency,
        "sampler": search.sampler.name,
        "scheduler": search.scheduler.name,
        "trial": f"{duration(found.run_s)} at most, {space.base.budget.epochs} epochs of the recipe as it stands",
        "all": f"{duration(min(all_s, budget or all_s))} at most, were no trial stopped",
        "sweep": terminal.relative(plan.folder),
    }
    if as_json:
        facts["space"] = {path: range_.text for path, range_ in space.ranges.items()}
    else:
        rows = [(path, range_.text) for path, range_ in space.ranges.items()]
        terminal.table(f"What {recipe} searches", ("setting", "values"), rows)
    terminal.close(as_json, "What it would take", facts, following)


def _command(recipe: Path, settings: Sequence[str], name: str | None, sweeps: str, storage: str | None) -> str:
    """The command again, without what decides only where it runs and without a password."""
    from glioray.recipe_file import command_of

    words = ["--name", name] if name else []
    words += [] if sweeps == "sweeps" else ["--sweeps", sweeps]
    words += ["--storage", "DATABASE"] if storage else []
    return command_of("tune", recipe, settings, *words)


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{path} {value:.4g}" if isinstance(value, float) else f"{path} {value}" for path, value in values.items()
    )
