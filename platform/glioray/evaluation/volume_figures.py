"""Bland-Altman plots: the error of a volume by its size. As in `figures.py`, PNG as bytes.

Shapes: U patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glioray.evaluation.bootstrap import Floats
from glioray.evaluation.figures import GRID, INK, MUTED, PAPER, QUIET, RIGHT, WRONG, png_bytes, quiet
from glioray.registry.bundle import Score


class Agreement(NamedTuple):
    """Means (U,) of predicted and true volume, their errors (U,), and bias, lower and upper limit where defined."""

    sizes: Floats
    errors: Floats
    lines: tuple[Score | None, ...]


def agreement_figure(found: Mapping[str, Agreement], unit: str) -> bytes:
    """A plot for each label or region, two in a row; `unit` is that of the volumes."""
    columns = min(2, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(5.4, 2.3 * rows if columns > 1 else 3.6))
    figure.set_facecolor(PAPER)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(found) :]:
        axes.set_axis_off()
    for axes, (name, agreement) in zip(grid, found.items(), strict=False):
        _draw(quiet(axes), agreement, unit)
        axes.set_title(name, fontsize=9.5, color=INK, loc="left")
    return png_bytes(figure)


def _draw(axes: Axes, agreement: Agreement, unit: str) -> None:
    axes.axhline(0, color=QUIET, linewidth=1)
    for number, score in enumerate(agreement.lines):
        if score is not None:
            color, style = (WRONG, "-") if number == 0 else (MUTED, "--")
            axes.axhline(score.value, color=color, linewidth=1.3, linestyle=style)
            if score.ends:
                axes.axhspan(*score.ends, color=color, alpha=0.1, linewidth=0)
    axes.scatter(agreement.sizes, agreement.errors, s=22, color=RIGHT, alpha=0.7, linewidths=0, zorder=3)
    axes.set_xlabel(f"mean of true and predicted, {unit}")
    axes.set_ylabel(f"predicted − true, {unit}")
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
