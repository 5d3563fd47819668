"""The verbs that look at models closer than a score does: explain. Registered by `glioray.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from glioray.cli_data import Json
from glioray.cli_models import Registry


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
