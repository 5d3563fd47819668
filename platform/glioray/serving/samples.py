"""Synthetic scans to try a model with, which the page offers: `make_samples.py` has made them."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import FastAPI, Response

from glioray.serving.problems import ProblemError

FOLDER = resources.files("glioray.serving").joinpath("web/samples")
CLASSES = ("glioma", "meningioma", "pituitary", "notumor")
SEQUENCES = ("t1", "t1ce", "t2", "flair")


def slice_name(kind: str) -> str:
    """The file of a slice that shows a class."""
    return f"phantom_{kind}.png"


def sequence_name(sequence: str) -> str:
    """The file of a sequence of the volume."""
    return f"phantom_{sequence}.nii.gz"


def install(api: FastAPI) -> None:
    """`/samples`, what there is, and `/samples/NAME`, a file of it; no key is asked, since no patient is in them."""
    contents = {path.name: path.read_bytes() for path in FOLDER.iterdir()}

    @api.get("/samples", include_in_schema=False)
    async def samples() -> list[dict[str, Any]]:
        slices = [_sample(kind, "classification", {"grey": slice_name(kind)}) for kind in CLASSES]
        return [*slices, _sample("volume", "segmentation", {name: sequence_name(name) for name in SEQUENCES})]

    @api.get("/samples/{name}", include_in_schema=False)
    async def sample(name: str) -> Response:
        if name not in contents:
            raise ProblemError(404, "There is no such sample", f"{name[:100]!r}: /samples says what there is.")
        kind = "image/png" if name.endswith(".png") else "application/gzip"
        return Response(contents[name], media_type=kind)


def _sample(title: str, task: str, files: dict[str, str]) -> dict[str, Any]:
    return {"title": title, "task": task, "files": {channel: f"/samples/{name}" for channel, name in files.items()}}
