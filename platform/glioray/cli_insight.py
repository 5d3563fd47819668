"""The verbs that look closer at trained models: compare. Registered by `glioray.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from glioray.cli_data import Json
from glioray.cli_models import Registry


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
