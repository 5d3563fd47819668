"""The gates over the epochs of a training, as curves and as maps, each the bytes of a PNG.

Shapes: h x w cells of a gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from glioray.evaluation.figures import GRID, INK, PAPER, png_bytes, quiet
from glioray.evaluation.pictures import BLACK, bare
from glioray.insight.gate_study import ALL, GateStudy

COLORS = ("#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#56b4e9")  # Okabe and Ito
MOST_EPOCHS = 8
Studies = Mapping[int, GateStudy]
Value = Callable[[GateStudy, str], float]

PLOTS: tuple[tuple[str, Value], ...] = (
    ("how open, mean", lambda study, name: study.gates[name].mean),
    ("from place to place, deviation", lambda study, name: study.gates[name].spread),
    ("share of saturated cells", lambda study, name: study.gates[name].saturated),
    ("share of dead channels", lambda study, name: study.gates[name].dead),
    ("share of the gradient", lambda study, name: study.gradient.get(name, np.nan) / max(study.gradient[ALL], 1e-30)),
    ("Dice lost without its places", lambda study, name: study.lost["places"][name]),
)


def gate_curves(studies: Studies) -> bytes:
    """Six plots over the epochs, a line a gate."""
    epochs = sorted(studies)
    names = list(studies[epochs[0]].gates)
    figure = Figure(figsize=(9, 5))
    figure.set_facecolor(PAPER)
    grid = figure.subplots(2, 3).ravel()
    for axes, (title, value) in zip(grid, PLOTS, strict=True):
        for name, color in zip(names, _colors(len(names)), strict=True):
            label = f"{studies[epochs[0]].gates[name].size_px} px"
            axes.plot(epochs, [value(studies[epoch], name) for epoch in epochs], color=color, label=label, marker=".")
        _titled(axes, title)
    grid[0].set_ylim(0, 1)
    for axes in grid[2:4]:
        axes.set_ylim(-0.03, 1.03)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names), frameon=False)
    return png_bytes(figure)


def gates_over_epochs(gates: Mapping[int, Mapping[str, Tensor]], is_on_own_scale: bool) -> bytes:
    """One image's gates (h,w), a row a gate with the lowest level first, a column an epoch, some of many.

    Args:
        gates: by epoch and by name; the same names in each.
        is_on_own_scale: each from its own lowest to its own highest value, which stand below it; else from 0 to 1.
    """
    epochs = spread(sorted(gates), MOST_EPOCHS)
    names = list(gates[epochs[0]])
    figure = Figure(figsize=(len(epochs) * 1.25 + 0.3, len(names) * (1.45 if is_on_own_scale else 1.25) + 0.3))
    figure.set_facecolor(BLACK)
    grid = figure.subplots(len(names), len(epochs), squeeze=False)
    for row, name in enumerate(names):
        for column, epoch in enumerate(epochs):
            values, axes = gates[epoch][name], grid[row, column]
            scale = {} if is_on_own_scale else {"vmin": 0, "vmax": 1}
            axes.imshow(values.numpy(), cmap="gray", **scale)
            below = f"{values.min():.2f} to {values.max():.2f}" if is_on_own_scale else ""
            title = (f"epoch {epoch}" if column == 0 else f"{epoch}") if row == 0 else ""
            bare(axes, title, name if column == 0 else "", below)
    return png_bytes(figure)


def spread(epochs: Sequence[int], most: int) -> list[int]:
    """So many of them at most, the first and the last among them; dense where they begin, as trainings change most."""
    if len(epochs) <= most:
        return list(epochs)
    places = np.unique(np.geomspace(1, len(epochs), most).round().astype(int) - 1)
    return [epochs[place] for place in places]


def _titled(axes: Axes, title: str) -> None:
    quiet(axes, tick_size=8, label_size=8)
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.set_xlabel("epoch")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _colors(num: int) -> list[str]:
    return [COLORS[place % len(COLORS)] for place in range(num)]
