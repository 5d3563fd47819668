"""`sweep.html`: what was tried, what came of it, what it cost, and the recipe that was found; one file, no scripts."""

from __future__ import annotations

from typing import Any

from glioray import pages
from glioray.registry.card import NOT_A_DEVICE
from glioray.training.record import write_at_once
from glioray.tuning import figures
from glioray.tuning.plan import SweepPlan
from glioray.tuning.result import BEST, SweepResult, test_text

FILE_NAME = "sweep.html"
FEWEST = 2  # trials with a value, below which a picture says nothing


def write_page(plan: SweepPlan, result: SweepResult, command: str, folder: str) -> None:
    """Writes the page.

    Args:
        plan: of the sweep.
        result: how it stands.
        command: that goes on with it.
        folder: of the sweep, as it can be pasted.
    """
    text = pages.render(
        "glioray.tuning",
        "page.html.j2",
        {"data_uri": pages.data_uri, "word": _short, "duration": pages.duration},
        style=pages.family_style(),
        not_a_device=NOT_A_DEVICE,
        plan=plan,
        result=result,
        pictures=pictures(result),
        command=command,
        folder=folder,
        best_file=BEST,
        test_text=test_text,
    )
    write_at_once(plan.folder / FILE_NAME, text.encode())


def pictures(result: SweepResult) -> list[tuple[str, str, bytes]]:
    """Title, what is seen, PNG; none while there is too little to see."""
    valued = [row for row in result.trials if row.values]
    if len(valued) < FEWEST:
        return []
    found = [("Best so far", _BEST_SO_FAR, figures.best_so_far(result))]
    if len(result.metric) > 1 and result.best:
        found.append(("What none beats", _FRONT, figures.front(result)))
    if any(row.epochs for row in result.trials):
        found.append(("What was stopped, and when", _CURVES, figures.epoch_curves(result)))
    found.append(("All settings together", _PARALLEL, figures.parallel_coordinates(result)))
    if result.importance:
        found.append(("Importance", _IMPORTANCE.format(result.importance_over), figures.importance_bars(result)))
    found.append(("Each setting alone", _SLICES, figures.slices(result)))
    return found


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else pages.word(value)


_BEST_SO_FAR = "Each trial at its value, a stopped one at the last that it reached; the line is the best until then."
_FRONT = "No other trial is better than a joined one in one metric without being worse in another."
_CURVES = "Each line a trial; a cross is where the scheduler stopped it."
_PARALLEL = "Each line a trial; the darker, the better. Where dark lines meet on an axis, the setting matters."
_IMPORTANCE = (
    "The share of each setting in the difference between the better and the other of {} (PED-ANOVA, Watanabe 2023, "
    "arXiv 2304.10255). With few trials a rough guess."
)
_SLICES = "Complete trials dark, stopped ones pale. A setting that others depend on has only some of the trials."
