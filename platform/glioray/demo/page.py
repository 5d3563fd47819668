"""`index.html`: what the demo made, on one offline page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import glioray
from glioray import pages, terminal
from glioray.data.page.write import FILE_NAME as DATASET_PAGE
from glioray.demo.ask import Asked
from glioray.evaluation.figures import probability_bars
from glioray.evaluation.pictures import scan_sheet, segmentation_sheet
from glioray.registry.card import NOT_A_DEVICE, describe
from glioray.training.record import CURVES, write_at_once
from glioray.training.watching.page import FILE_NAME as RUN_PAGE

if TYPE_CHECKING:
    from glioray.demo.run import Finished

REGISTRY = "registry"


def write_page(out: Path, finished: Sequence[Finished], elapsed_s: float) -> Path:
    """The page, written at once; gives its path."""
    text = pages.render(
        "glioray.demo",
        "page.html.j2",
        version=glioray.__version__,
        notice=NOT_A_DEVICE,
        elapsed_s=elapsed_s,
        registry=terminal.relative(out / REGISTRY),
        tasks=[_section(out, one) for one in finished],
    )
    page = out / "index.html"
    write_at_once(page, text.encode())
    return page


def _section(out: Path, one: Finished) -> dict[str, Any]:
    manifest = one.data.manifest
    return {
        "name": one.task.name,
        "model": one.evaluation.model,
        "published": one.task.published_as,
        "sides": {side: counts.model_dump() for side, counts in manifest.sides.items()},
        "citation": manifest.contents.citation,
        "fingerprint": manifest.fingerprint,
        "scores": [
            (score.name, score.value, describe(score, one.evaluation.leak)) for score in one.evaluation.headline
        ],
        "curves": pages.data_uri((one.run / CURVES).read_bytes()),
        "dataset": os.path.relpath(one.data.folder / DATASET_PAGE, out),
        "training": os.path.relpath(one.run / RUN_PAGE, out),
        "report": os.path.relpath(one.run / "evaluation" / "report.html", out),
        "sheets": _sheets(one),
    }


def _sheets(one: Finished) -> list[dict[str, Any]]:
    """Pictures of what was asked and answered."""
    if one.task.name == "classification":
        return [_answered_kind(asked) for asked in one.asked]
    labels = one.data.manifest.contents.labels
    images = np.stack([asked.picture for asked in one.asked])
    truths = np.stack([np.asarray(asked.truth) for asked in one.asked])
    predictions = np.stack([asked.predicted for asked in one.asked if asked.predicted is not None])
    captions = [asked.caption for asked in one.asked]
    sheet = segmentation_sheet(images, truths, predictions, labels, captions)
    return [
        {"picture": pages.data_uri(sheet), "caption": "Of each test patient the slice with the most tumor, as served."}
    ]


def _answered_kind(asked: Asked) -> dict[str, Any]:
    assert isinstance(asked.truth, str)
    return {
        "picture": pages.data_uri(scan_sheet([asked.picture], [asked.caption], columns=1)),
        "bars": pages.data_uri(probability_bars(asked.answer["probabilities"], asked.truth)),
        "caption": f"truth: {asked.truth}; answer: {asked.answer['label']}",
        "is_right": asked.answer["label"] == asked.truth,
    }
