"""`survival.html`: what predicts survival, and whether masks add to age; one file, no scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from glioray import pages
from glioray.registry.bundle import Score
from glioray.registry.card import NOT_A_DEVICE
from glioray.survival import figures
from glioray.survival.lines import AGE, BRIEFLY, CLINICAL, MASKS, MEDIAN, PREDICTED, TITLES, Cases, Line
from glioray.survival.result import Difference, LineScores, SurvivalReport
from glioray.survival.scores import LONG_DAYS, SHORT_DAYS

FILE_NAME = "survival.html"
HEADINGS: Mapping[str, str] = {
    "accuracy": "accuracy",
    "mse_days2": "MSE, 1000 days²",
    "median_se_days2": "median SE",
    "std_se_days2": "std SE",
    "spearman_r": "SpearmanR",
    "r2_log_days": "R² of ln days",
    "c_index": "C-index",
}
IN_THOUSANDS = ("mse_days2", "median_se_days2", "std_se_days2")
SHOWN = {MASKS: (AGE, MASKS, PREDICTED), CLINICAL: (AGE, CLINICAL)}


def write_page(report: SurvivalReport, cases: Cases, lines: Sequence[Line], folder: Path) -> None:
    """Writes the page; the folder is still the temporary one of its writer."""
    by_name = {line.name: line for line in lines}
    last = MASKS if MASKS in by_name else CLINICAL
    shown = [by_name[name] for name in SHOWN[last] if name in by_name]
    text = pages.render(
        "glioray.survival",
        "page.html.j2",
        {"data_uri": pages.data_uri, "figure": figure_text, "apart": difference_text, "counted": pages.counted},
        style=pages.family_style(),
        not_a_device=NOT_A_DEVICE,
        report=report,
        headings=HEADINGS,
        titles=TITLES,
        briefly=BRIEFLY,
        differences=_by_measure(report),
        populations=list(dict.fromkeys(line.population for line in report.lines)),
        chosen={line.title: _tally(line) for line in report.lines if line.name in (CLINICAL, MASKS)},
        baseline=MEDIAN,
        short_days=SHORT_DAYS,
        long_days=LONG_DAYS,
        scatter=figures.predicted_against_true(cases, shown),
        curves=figures.survival_by_third(cases, by_name[last]),
        curves_of=TITLES[last],
    )
    (folder / FILE_NAME).write_text(text, encoding="utf-8")


def figure_text(score: Score | None, name: str) -> str:
    """`0.512 [0.449, 0.576]`, or a dash where it is not defined."""
    if score is None:
        return "–"
    ends = f" [{', '.join(_number(end, name) for end in score.ends)}]" if score.ends else ""
    return f"{_number(score.value, name)}{ends}"


def difference_text(found: Difference) -> str:
    """`+0.021 [-0.030, +0.072]`."""
    value, *ends = (f"{'+' if end > 0 else ''}{_number(end, found.name)}" for end in (found.value, *(found.ends or ())))
    return value + (f" [{', '.join(ends)}]" if ends else "")


def _by_measure(report: SurvivalReport) -> dict[str, dict[str, list[Difference]]]:
    """By population and measure, the differences in the order of their pairs."""
    found: dict[str, dict[str, list[Difference]]] = {}
    for one in report.differences:
        found.setdefault(one.population, {}).setdefault(one.name, []).append(one)
    return found


def _number(value: float, name: str) -> str:
    return f"{value / 1000:,.1f}" if name in IN_THOUSANDS else f"{value:.3f}"


def _tally(line: LineScores) -> str:
    return ", ".join(f"{name} ({count})" for name, count in Counter(line.chosen).most_common())
