"""From a bundle to a file that another program runs, proved on images before it gets its name.

Shapes: B images, C channels, S x S pixels.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from glioray.data.place import local_folder
from glioray.data.prepared import PreparedDataset, iterate_batches
from glioray.data.records import Signature
from glioray.errors import DataError, ModelError
from glioray.export.about import INPUT, about
from glioray.export.formats import Name, Run, chosen
from glioray.export.network import Answering
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.serving.predictor import Predictor

ALLOWED = 1e-4
"""largest difference of a probability"""
NUM_RANDOM, NUM_VAL = 3, 16
BATCH_SIZES = (1, 3)
"""in turn: another one than it was traced with"""
MAX_BATCH = 4096


@dataclass(frozen=True)
class Exported:
    """What was written, and the largest difference of a probability between it and the service's own way."""

    path: Path
    size_bytes: int
    num_random: int
    num_val: int
    difference: float


def export(bundle: ModelBundle, name: Name, out: Path, data: PreparedDataset | None = None) -> Exported:
    """Writes the file whole or not at all; one that is there is replaced.

    Args:
        bundle: a model, or an average.
        name: of the format.
        out: the file.
        data: whose val images prove it; none: random images alone do.

    Raises:
        ModelError: the extra is not installed, the data show other images than the model takes, the network cannot be
            exported, or the file answers otherwise.
        DataError: `out` cannot be written, or the data have no val images.
    """
    kind = chosen(name)
    _require_file(out)
    signature = bundle.config.signature
    predictor = Predictor.load(bundle)
    images = random_images(signature)
    if data is not None:
        of_val = val_images(data)
        predictor.normalized(of_val)  # refuses those of another shape, before the work
        images = torch.cat([images, of_val])
    program = _traced(bundle, signature)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        partial = Path(folder) / out.name
        with _quiet():
            kind.write(program, about(bundle.config), partial)
            found = difference(predictor, kind.open(partial), images)
        if not found <= ALLOWED:  # not a number is no proof either
            raise ModelError(
                f"{out}: not written: as {name} the model answers otherwise, by up to {found:.2g} of a probability "
                f"where {ALLOWED:g} is allowed; try the other format"
            )
        size_bytes = partial.stat().st_size
        partial.replace(out)
    return Exported(out, size_bytes, NUM_RANDOM, len(images) - NUM_RANDOM, found)


def difference(predictor: Predictor, run: Run, images: Tensor) -> float:
    """Largest difference of a probability over images (B,C,S,S) uint8, asked alone and three at a time."""
    differences = []
    for batch_size in BATCH_SIZES:
        batches: tuple[Tensor, ...] = images.split(batch_size)  # type: ignore[no-untyped-call]
        for batch in batches:
            differences.append((run(batch.float()) - predictor.predict(batch)).abs().max())
    return float(torch.stack(differences).max())


def proving_data(config: BundleConfig, place: str | None) -> PreparedDataset | None:
    """The data whose val images prove a file.

    Args:
        config: of the bundle.
        place: folder or address; none: what the model was trained on, or no data where that is not here any more.

    Raises:
        DataError: the data at a given place cannot be used.
    """
    trained_on = config.checked_recipe.data
    folder = local_folder(place) if place is not None else Path(trained_on.path)
    if place is None and not folder.is_dir():
        return None
    return PreparedDataset.open(folder, trained_on.fold)


def random_images(signature: Signature) -> Tensor:
    """(3,C,S,S) uint8 of noise, the same ones every time."""
    shape = (NUM_RANDOM, signature.in_channels, signature.image_size, signature.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def val_images(data: PreparedDataset) -> Tensor:
    """(B,C,S,S) uint8: the first images of the val side, 16 at most."""
    return next(iterate_batches(data.folder, data.manifest, "val", NUM_VAL))["image"]


def _traced(bundle: ModelBundle, signature: Signature) -> ExportedProgram:
    """For any number of images; without the lines of source, which would name folders of this machine."""
    example = random_images(signature)[:2].float()
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(
                Answering(bundle), (example,), dynamic_shapes={INPUT: {0: Dim("batch", min=1, max=MAX_BATCH)}}
            )
    except Exception as error:  # of many kinds: it is whatever the network does with a value that is none yet
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{bundle.config.architecture}: torch cannot export this network: {reason}") from None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _require_file(out: Path) -> None:
    if out.is_dir():
        raise DataError(f"{out}: is a folder; give a file as --out")
    if not out.parent.is_dir():
        raise DataError(f"{out}: there is no folder {out.parent}; make it, or give another --out")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own workings."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
