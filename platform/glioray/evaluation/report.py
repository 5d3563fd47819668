"""`report.html`: one file, readable without a network, as a journal's supplementary page."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from glioray.evaluation.findings import Findings
from glioray.evaluation.result import Evaluation
from glioray.registry.card import NOT_A_DEVICE

FILE_NAME = "report.html"
_TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "Macro F1",
    "dice": "Dice, mean over patients",
    "median_dice": "Dice, median over patients",
    "iou": "IoU, mean over patients",
}


def write_report(evaluation: Evaluation, findings: Findings, folder: Path) -> None:
    """Writes the page; the folder is still the temporary one of its writer."""
    environment = Environment(
        loader=PackageLoader("glioray", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    page = environment.get_template("report.html.j2").render(
        evaluation=evaluation, sections=findings.sections, titles=_TITLES, not_a_device=NOT_A_DEVICE
    )
    (folder / FILE_NAME).write_text(page, encoding="utf-8")


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
