"""The verbs that look closer at trained models: compare, explain, survival. Registered by `glioray.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from glioray.cli_data import Json
from glioray.cli_models import Registry

if TYPE_CHECKING:
    from glioray.survival.result import SurvivalReport


def compare(
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE...",
            help="two or more, each a run, a bundle, or NAME@VERSION of the registry; folds of one recipe as one "
            "model: RUN1,RUN2,RUN3; a name of its own: LABEL=RUN",
        ),
    ],
    data: Annotated[
        str | None, typer.Option(help="prepared folder, or its address, for all; default: what each was trained on")
    ] = None,
    side: Annotated[Literal["val", "test"], typer.Option(help="val to choose a model, test once at the end")] = "test",
    out: Annotated[Path | None, typer.Option(help="folder of the page; default: below comparisons/")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda")] = "cpu",
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """After 4. Models on the same patients: differences with intervals and tests, cost, and where they disagree."""
    from glioray import terminal
    from glioray.evaluation.comparing.contenders import contenders
    from glioray.evaluation.comparing.page import FILE_NAME, verdict
    from glioray.evaluation.comparing.run import compare as run
    from glioray.evaluation.comparing.run import default_folder
    from glioray.evaluation.comparing.summary import summary

    named = contenders(bundles, data, registry, side)
    folder = out or default_folder(named, side)
    with terminal.bars(as_json) as show:
        found = run(named, folder, side, show, device)
    page = str(folder / FILE_NAME)
    facts = (
        {"report": page, **found.model_dump()}
        if as_json
        else {**summary(found), "verdict": verdict(found), "report": page}
    )
    terminal.close(as_json, "Compared", facts, f"open {terminal.relative(page)}")


def explain(
    bundle: Annotated[str, typer.Argument(help="a run's folder or its address, a bundle's folder, or NAME@VERSION")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE]...", help="images; for segmentation also volumes, or the folder of a case"),
    ] = None,
    truth: Annotated[
        list[str] | None, typer.Option(help="of each IMAGE, in order: the file of its mask, or its class")
    ] = None,
    data: Annotated[str | None, typer.Option(help="prepared folder of --rows; default: what it was trained on")] = None,
    side: Annotated[Literal["train", "val", "test"], typer.Option(help="of the data")] = "val",
    rows: Annotated[
        int, typer.Option(min=0, help="so many images of the data, or cases with all their slices, with their truth")
    ] = 0,
    epochs: Annotated[
        bool, typer.Option("--epochs", help="the gates of a run over the checkpoints it has kept")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the page; default: explanation/ in the run")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda")] = "cpu",
    registry: Registry = "registry",
    as_json: Json = False,
) -> None:
    """After 2. Looks inside a model: Grad-CAM, attention, kernels, feature maps, gates, masks, on one page."""
    from glioray import terminal
    from glioray.data.place import local_folder
    from glioray.insight.run import Asked, default_folder, summary
    from glioray.insight.run import explain as run
    from glioray.registry.locate import locate

    found = locate(bundle, registry)
    place = local_folder(data) if data else None
    asked = Asked(images or (), truth or (), place, side, rows, epochs)
    folder = out or default_folder(found, bundle)
    with terminal.bars(as_json) as show:
        facts = run(found, asked, folder, device, show)
    found.send()
    page = terminal.relative(folder / "explain.html")
    terminal.close(as_json, "Looked inside", facts if as_json else summary(facts) | {"page": page}, f"open {page}")


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
