"""The verbs of raw scans: phantom, download, audit, sources, prepare. Registered by `glioray.cli`."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from glioray.errors import RecipeError

if TYPE_CHECKING:
    from glioray.data.manifest import Manifest
    from glioray.data.prepare_options import PrepareOptions
    from glioray.data.runners import Runner

Json = Annotated[bool, typer.Option("--json", help="print the result as one JSON object, and no bars")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to work on; none starts one here, on 127.0.0.1")]


def phantom(
    folder: Annotated[Path, typer.Argument(help="new folder")],
    patients: Annotated[int, typer.Option(help="patients, kinds in turn")] = 64,
    image_size: Annotated[int, typer.Option(help="side of a slice in px")] = 160,
    num_slices: Annotated[int, typer.Option(help="slices of a volume")] = 40,
    seed: Annotated[int, typer.Option(help="another seed, other patients")] = 0,
    as_json: Json = False,
) -> None:
    """Writes synthetic patients: slices of four kinds, and BraTS-like volumes with true masks."""
    from glioray import terminal
    from glioray.data.phantom import PhantomSettings, write_phantom
    from glioray.options import checked

    settings = checked(PhantomSettings, num_patients=patients, image_size=image_size, num_slices=num_slices, seed=seed)
    with terminal.bars(as_json) as show:
        written = write_phantom(folder, settings, lambda done, total: show("patients", done, total))
    facts = {
        "folder": str(written.folder),
        "patients": written.patients,
        "images": written.images,
        "volumes": written.volumes,
    }
    terminal.close(as_json, "SYNTHETIC patients", facts, f"glioray prepare phantom {folder} --out data/phantom")


def download(
    name: Annotated[str, typer.Argument(help="data set: kaggle_mri, brats2020, lgg")],
    out: Annotated[Path | None, typer.Option(help="folder of the raw scans; default: raw/NAME")] = None,
    as_json: Json = False,
) -> None:
    """Fetches a data set from Kaggle, or checks what lies in the folder already."""
    from glioray import terminal
    from glioray.data.download.run import download as run

    folder = out or Path("raw") / name
    with terminal.bars(as_json) as show:
        got = run(name, folder, show)
    facts = {"folder": str(got.folder), "files": got.files, "bytes": got.bytes, "was_there": got.was_there}
    facts |= {"remarks": "; ".join(got.remarks)} if got.remarks else {}
    terminal.close(as_json, "Complete", facts, f"glioray prepare {got.source} {got.folder} --out data/{name}")


def audit(
    folder: Annotated[Path, typer.Argument(help="any folder of images, or a prepared one")],
    out: Annotated[Path | None, typer.Option(help="folder of the report; default: audit/ beside the folder")] = None,
    random_labels: Annotated[
        bool, typer.Option("--random-labels", help="also train on shuffled labels, which must land at chance")
    ] = False,
    epochs: Annotated[int, typer.Option(help="of the training on shuffled labels")] = 10,
    seed: Annotated[int, typer.Option(help="of the pairs shown, the folds and the random labels")] = 0,
    as_json: Json = False,
) -> None:
    """Looks for copies across a split, labels that contradict each other, and shortcuts; with a page of pairs."""
    from glioray import terminal
    from glioray.audit.run import AuditOptions
    from glioray.audit.run import audit as run
    from glioray.options import checked

    options = checked(AuditOptions, random_labels=random_labels, epochs=epochs, seed=seed)
    target = out or folder.absolute().parent / f"{folder.absolute().name}-audit"
    with terminal.bars(as_json) as show:
        found = run(folder, target, options, show)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    terminal.close(False, "Audited", {**found.lines(), "page": str(target / "audit.html")})


def sources(as_json: Json = False) -> None:
    """Lists the kinds of raw scans that can be prepared, with their options."""
    from glioray import terminal
    from glioray.data.sources import table

    kinds = table()
    if as_json:
        typer.echo(json.dumps(kinds))
        return
    rows = [(kind["name"], kind["what"], "\n".join(kind["options"])) for kind in kinds]
    terminal.table("Raw scans, by the name that `glioray prepare` takes", ("name", "what it is", "-o NAME=VALUE"), rows)


def prepare(
    source: Annotated[str, typer.Argument(help="kind of the raw scans: see `glioray sources`")],
    raw: Annotated[Path, typer.Argument(help="folder of the raw scans, or a zip of it")],
    out: Annotated[str, typer.Option(help="folder of the shards, or its address, as s3://BUCKET/data/kaggle")],
    task: Annotated[
        Literal["classification", "segmentation"] | None, typer.Option(help="default: the source's own")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="setting of the source: channel_order=[t1,t1ce,t2,flair]")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="take the image size from this recipe")] = None,
    image_size: Annotated[int | None, typer.Option(help="side of the prepared images in px")] = None,
    split: Annotated[
        str, typer.Option(help="group; published: as the data set comes, marked leaky; or a JSON file of one's own")
    ] = "group",
    folds: Annotated[int | None, typer.Option(help="cross-validation: so many folds in place of the sides")] = None,
    val_fraction: Annotated[float, typer.Option(help="part of the images for val")] = 0.15,
    test_fraction: Annotated[float, typer.Option(help="part of the images for test")] = 0.15,
    drop_empty: Annotated[float, typer.Option(help="share of training's slices without a label to leave out")] = 0.0,
    seed: Annotated[int, typer.Option(help="of the split and of the order of training rows")] = 0,
    limit: Annotated[int | None, typer.Option(help="read only so many cases")] = None,
    workers: Annotated[int, typer.Option(help="who read; 0: one a core")] = 0,
    memory_gb: Annotated[float, typer.Option(help="what the whole preparation may take")] = 8.0,
    skip_unreadable: Annotated[bool, typer.Option(help="leave unreadable files out, and list them")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Step 1. Raw scans to shards: grouped, split, and proven to share no group."""
    from glioray.data.prepare_options import PrepareOptions
    from glioray.options import checked, chosen_recipe, values_of

    wanted_px = image_size or (chosen_recipe(recipe, ()).data.image_size if recipe else None)
    options = checked(
        PrepareOptions,
        task=task,
        source_options=values_of(option or (), "--option"),
        image_size=wanted_px,
        **_split_choice(split),
        folds=folds,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        drop_empty=drop_empty,
        seed=seed,
        limit=limit,
        workers=workers,
        memory_gb=memory_gb,
        skip_unreadable=skip_unreadable,
    )
    _prepare(source, raw, out, options, address, as_json)


def _prepare(source: str, raw: Path, out: str, options: PrepareOptions, address: str | None, as_json: bool) -> None:
    """Raw scans to shards, and what came of them in words."""
    from glioray import terminal
    from glioray.cluster import require_lasting
    from glioray.data.place import out_folder, send_data
    from glioray.data.prepare import prepare as run
    from glioray.data.summary import facts_of

    require_lasting(out)
    started_at = time.perf_counter()
    with terminal.bars(as_json) as show, _runner(raw, options, address) as runner:
        data = run(source, raw, out_folder(out), options, show, runner)
        send_data(out)
    facts = facts_of(data, time.perf_counter() - started_at)
    terminal.close(as_json, "Prepared", facts, f"glioray train {_recipe_for(data.manifest)} --set data.path={out}")


def _split_choice(split: str) -> dict[str, Any]:
    """The options for a kind of split, or for a file of one."""
    if split in ("group", "published"):
        return {"split": split}
    if not Path(split).is_file():
        raise RecipeError(f"--split {split!r} is refused: it is neither group, published, nor a file that is there")
    return {"split_file": Path(split)}


def _recipe_for(manifest: Manifest) -> str:
    kind = "classic_unet" if manifest.contents.task == "segmentation" else "custom_cnn"
    return f"search_spaces/{kind}.yaml" + (" --set data.fold=0" if manifest.settings.folds else "")


@contextlib.contextmanager
def _runner(raw: Path, options: PrepareOptions, address: str | None) -> Iterator[Runner | None]:
    """Actors of Ray for much to read or for a cluster; else none, which leaves it to threads here."""
    from glioray.data.budget import is_much, workers_within

    if address is None and not is_much(raw, options):
        yield None
        return
    from glioray.cluster import connect

    with connect(address):
        import ray

        from glioray.data.parallel import run_on_actors

        yield run_on_actors(workers_within(options, int(ray.cluster_resources().get("CPU", 1))))
