"""`report.html`: one file, readable without a network, as a journal's supplementary page."""

from __future__ import annotations

from pathlib import Path

from glioray import pages
from glioray.evaluation.findings import Findings
from glioray.evaluation.result import Evaluation
from glioray.evaluation.seeds import SeedReport, sections
from glioray.registry.card import NOT_A_DEVICE, digits, seed_text

FILE_NAME = "report.html"
FEW = 20
"""Units below which intervals are clearly too narrow, as `benchmarks/coverage.py` shows"""
TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "Macro F1",
    "auc": "ROC-AUC, macro",
    "ece": "Calibration error",
    "flagged": "Flagged as unlike training",
    "dice": "Dice, mean over patients",
    "median_dice": "Dice, median over patients",
    "region_dice": "Dice of the regions",
    "iou": "IoU, mean over patients",
    "hd95_mm": "HD95, mean, mm",
    "hd95_px": "HD95, mean, px",
}
HEADINGS = {name: title.replace(" over patients", "") for name, title in TITLES.items()}  # of a column


def write_report(evaluation: Evaluation, findings: Findings, folder: Path) -> None:
    """Writes the page; the folder is still the temporary one of its writer."""
    _write("report.html.j2", folder, evaluation=evaluation, sections=findings.sections)


def write_seed_report(found: SeedReport, folder: Path) -> None:
    """Writes the page over several seeds, as `write_report` does that of one."""
    shown = found.evaluations[0].model_copy(update={"undefined": found.undefined})
    _write("seeds.html.j2", folder, evaluation=shown, found=found, sections=sections(found, HEADINGS))


def _write(template: str, folder: Path, **values: object) -> None:
    filters = {"data_uri": pages.data_uri, "number": _number, "seed_text": seed_text}
    style = pages.family_style()
    page = pages.render(
        "glioray.evaluation",
        template,
        filters,
        style=style,
        titles=TITLES,
        not_a_device=NOT_A_DEVICE,
        few=FEW,
        **values,
    )
    (folder / FILE_NAME).write_text(page, encoding="utf-8")


def _number(value: float, name: str) -> str:
    return f"{value:.{digits(name)}f}"
