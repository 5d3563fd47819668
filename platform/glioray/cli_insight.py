"""The verbs that look closer: survival. Registered by `glioray.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glioray.cli_data import Json
from glioray.cli_models import Registry

if TYPE_CHECKING:
    from glioray.survival.result import SurvivalReport


def survival(
    scans: Annotated[
        Path | None,
        typer.Argument(help="prepared folder, or raw scans of BraTS or the phantom; none: age and resection alone"),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV such as BraTS' survival_info.csv; default: the one beside the scans")
    ] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            help="model that predicts the masks of patients it has not learned from: a run, a bundle, NAME@VERSION; "
            "several: all folds, so that each patient has one"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder of the report")] = Path("survival"),
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="of the folds")] = 0,
    device: Annotated[str, typer.Option(help="where masks are predicted: cpu, or cuda")] = "cpu",
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """After 4. How long patients live, from age, resection and masks; and whether masks add anything to age."""
    from glioray import terminal
    from glioray.evaluation.device import require_device
    from glioray.registry.locate import locate
    from glioray.survival.page import FILE_NAME
    from glioray.survival.run import Asked
    from glioray.survival.run import survival as run

    require_device(device)
    bundles = tuple((name, locate(name, registry).bundle) for name in bundle or ())
    with terminal.bars(as_json) as show:
        found = run(Asked(scans, table, bundles, seed, device), out, show)
    page = terminal.relative(out / FILE_NAME)
    facts = found.model_dump() | {"report": page} if as_json else _survival_facts(found) | {"report": page}
    terminal.close(as_json, "Survival", facts)


def _survival_facts(found: SurvivalReport) -> dict[str, Any]:
    """A line for each way of predicting, and the verdict."""
    from glioray.registry.card import describe
    from glioray.survival.result import DECIDES

    facts: dict[str, Any] = {"SYNTHETIC": "by a law that a program was given"} if found.synthetic else {}
    facts["patients"] = f"{found.patients}, {found.died} died, {found.alive} lived when last heard of, {found.gtr} GTR"
    for line in found.lines:
        score = line.score(DECIDES) or line.score("accuracy")
        if line.population == "all" and score is not None:
            facts[line.title] = f"{score.name} {describe(score, None)}"
    if found.remarks:
        facts["not used"] = f"{len(found.remarks)} remarks, listed in the report"
    return facts | {"verdict": f"{found.verdict} {found.verdict_of_predicted}".strip()}
