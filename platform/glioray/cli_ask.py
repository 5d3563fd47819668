"""The verbs of a running service: ask, rollout. Registered by `glioray.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glioray.cli_data import Json
from glioray.cli_models import Registry
from glioray.errors import RequestError

if TYPE_CHECKING:
    from glioray.client import Answer, Client

VOLUME_ENDINGS = (".nii", ".nii.gz", ".zip", ".npz")


def ask(
    url: Annotated[str, typer.Argument(help="of a running service, as http://127.0.0.1:8000")],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="an image, or a volume; SEQUENCE=FILE for a file a sequence")
    ],
    model: Annotated[str | None, typer.Option(help="NAME, NAME@VERSION or NAME@ALIAS; default: the first")] = None,
    channels: Annotated[str | None, typer.Option(help="what the channels of one volume are: flair,t1,t1ce,t2")] = None,
    mask: Annotated[Path, typer.Option(help="where the mask of a volume is saved")] = Path("mask.nii.gz"),
    explain: Annotated[
        str | None, typer.Option(help="gradcam or attention: saves what an image's class came from as NAME-gradcam.png")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="GLIORAY_API_KEY", help="where the service asks for one")] = None,
    as_json: Json = False,
) -> None:
    """After 6. Asks a running service about an image, or about a volume, whose mask is saved."""
    from glioray import terminal
    from glioray.client import Client

    sequences = _sequences(files)
    with Client(url, key) as client, terminal.bars(as_json) as show:
        if sequences or files[0].lower().endswith(VOLUME_ENDINGS):
            if explain:
                raise RequestError(f"--explain {explain}: is for the class of one image, and this is a volume")
            sent = sequences or files[0]
            found = client.segment_volume(sent, mask, model, channels, lambda done, total: show("slices", done, total))
            facts = {name: _ml(value) for name, value in found.volumes_ml.items()}
            facts = found.answer | {"mask": str(mask)} if as_json else facts | {"mask": terminal.relative(mask)}
        else:
            answer = _ask_image(client, files[0], model, explain)
            facts = answer if as_json else _image_facts(answer)
    terminal.close(as_json, "Answered", facts)


def rollout(
    name: Annotated[str, typer.Argument(help="of the model in the registry")],
    to: Annotated[int | None, typer.Option(min=1, help="version; default: the latest")] = None,
    canary: Annotated[
        float | None, typer.Option(min=0, max=1, help="share of the requests that the version gets; default: all")
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="ends a canary; where there is none, the version before is served again")
    ] = False,
    registry: Registry = "registry",
    url: Annotated[str | None, typer.Option(help="of a service, to wait until all its replicas have followed")] = None,
    key: Annotated[str | None, typer.Option(envvar="GLIORAY_API_KEY", help="where the service asks for one")] = None,
    as_json: Json = False,
) -> None:
    """After 6. Lets running services answer with another version of a model, replica by replica, losing no request."""
    from glioray import terminal
    from glioray.client import Client
    from glioray.registry.rollout import change
    from glioray.registry.store import Store

    if back and (to is not None or canary is not None):
        raise RequestError("--back leads to what was before: leave --to and --canary out")
    now = change(Store(registry), name, to, canary, back)
    versions = {now.version} if now.canary is None else {now.version, now.canary}
    if url is not None:
        with Client(url, key) as client, terminal.bars(as_json) as show:
            client.wait_for_rollout(name, versions, lambda done, total: show("replicas", done, total))
    tried = {} if now.canary is None else {"canary": f"{name}@{now.canary}, {now.share:.0%} of the requests"}
    facts = {
        "serves": f"{name}@{now.version}",
        **tried,
        **({} if now.before is None else {"before": f"{name}@{now.before}"}),
        "followed": "services that follow this registry do so within seconds" if url is None else "all replicas",
    }
    facts = now.model_dump() if as_json else facts
    terminal.close(as_json, "Rolled back" if back else "Rolled out", facts, f"glioray rollout {name} --back")


def _sequences(files: list[str]) -> dict[str, str]:
    """The file of each sequence; empty for one file alone."""
    if len(files) == 1 and ("=" not in files[0] or Path(files[0]).exists()):
        return {}
    named = [file.partition("=") for file in files]
    if plain := [name for name, sign, _ in named if not sign]:
        raise RequestError(f"{plain[0]!r}: of several files each is SEQUENCE=FILE, as flair=flair.nii.gz")
    names = [name for name, _, _ in named]
    if twice := {name for name in names if names.count(name) > 1}:
        raise RequestError(f"sequence {min(twice)!r} is given {names.count(min(twice))} times; give one file for each")
    return {name: file for name, _, file in named}


def _ask_image(client: Client, file: str, model: str | None, explain: str | None) -> Answer:
    """By the task of the model that is named, else of the first one served; with `explain` that of a classifier.

    The overlay of an explanation is saved, and its path stands in its place.
    """
    from glioray.client import save_picture

    if explain:
        answer = client.classify(file, model, explain)
        explanation = answer["explanation"]
        explanation["overlay"] = str(save_picture(explanation["overlay"], f"{Path(file).stem}-{explain}.png"))
        return answer
    name = (model or "").partition("@")[0]
    tasks = [served["task"] for served in client.models() if not name or served["name"] == name]
    return client.segment(file, model) if tasks[:1] == ["segmentation"] else client.classify(file, model)


def _image_facts(answer: Answer) -> dict[str, Any]:
    model = {"model": f"{answer['model']}@{answer['version']}"}
    if "probabilities" in answer:
        shares = {name: f"{value:.1%}" for name, value in answer["probabilities"].items()}
        return {"label": answer["label"], **shares, **_explanation_facts(answer), **model}
    return {name: f"{area['area_share']:.1%} of the slice" for name, area in answer["labels"].items()} | model


def _explanation_facts(answer: Answer) -> dict[str, Any]:
    explanation = answer.get("explanation")
    if explanation is None:
        return {}
    peak = explanation.get("peak")
    place = "nothing speaks for the class" if peak is None else f"most at row {peak[0]}, column {peak[1]}"
    return {explanation["method"]: f"{place}: {explanation['overlay']}"}


def _ml(value: float | None) -> str:
    return "not known: the scan does not say how far its voxels are apart" if value is None else f"{value:.2f} ml"
