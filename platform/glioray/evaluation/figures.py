"""Plots of an evaluation, each as the bytes of a PNG; no state is shared, so that threads may draw.

Shapes: N rows, K classes, P patients.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

INK, MUTED, PAPER, GRID = "#1f2933", "#667380", "#ffffff", "#e4e8ec"
RIGHT, WRONG, QUIET = "#1f6f8b", "#c8553d", "#a9b8c2"
DPI = 160
_BLUES = LinearSegmentedColormap.from_list("paper to teal", [PAPER, "#9cc4d1", RIGHT, "#123f52"])


def confusion_figure(counts: ArrayLike, classes: Sequence[str]) -> bytes:
    """Truth by prediction (K,K): the number of images, shaded by its share of the truth's row."""
    cells = np.asarray(counts, dtype=float)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    side_inches = max(3.4, 1.5 + 0.8 * len(classes))
    figure = Figure(figsize=(side_inches, side_inches * 0.92))
    axes = plain_axes(figure)
    axes.imshow(shares, cmap=_BLUES, vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{cells[row, column]:.0f}\n{100 * share:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=PAPER if share > 0.45 else INK, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=20, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return png_bytes(figure)


def dice_strip(values: Mapping[str, NDArray[np.float64]], measure: str = "Dice") -> bytes:
    """One dot a patient for each label or region, with mean and median; NaN is left out and counted."""
    figure = Figure(figsize=(6.4, 0.9 + 0.62 * len(values)))
    axes = plain_axes(figure)
    for row, scores in enumerate(values.values()):
        defined = scores[~np.isnan(scores)]
        spread = np.random.default_rng(row).uniform(-0.17, 0.17, len(defined))
        axes.scatter(defined, row + spread, s=26, color=RIGHT, alpha=0.55, linewidths=0)
        if defined.size:
            axes.vlines(np.median(defined), row - 0.34, row + 0.34, color=INK, linewidth=2)
            axes.plot(defined.mean(), row, marker="D", markersize=6, color=WRONG, markeredgecolor=PAPER)
    names = [f"{name} (n = {np.count_nonzero(~np.isnan(scores))})" for name, scores in values.items()]
    axes.set_yticks(range(len(values)), names)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"{measure} of a patient; line: median, diamond: mean")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return png_bytes(figure)


def probability_bars(probabilities: Mapping[str, float], truth: str | None = None) -> bytes:
    """The answer of a classifier for one image; the highest bar is colored by whether it is the truth."""
    highest = max(probabilities, key=lambda name: probabilities[name])
    figure = Figure(figsize=(4.2, 0.5 + 0.36 * len(probabilities)))
    axes = plain_axes(figure)
    for row, (name, probability) in enumerate(probabilities.items()):
        color = QUIET if name != highest else (RIGHT if truth in (None, name) else WRONG)
        axes.barh(row, probability, color=color, height=0.62)
        axes.text(min(probability, 1) + 0.02, row, f"{100 * probability:.1f} %", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(probabilities)), [f"{n} (truth)" if n == truth else n for n in probabilities])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    return png_bytes(figure)


def png_bytes(figure: Figure) -> bytes:
    """A figure drawn; the same figure gives the same bytes."""
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return content.getvalue()


def quiet(axes: Axes, tick_size: float = 9, label_size: float = 9) -> Axes:
    """Axes without what does not speak: no box, muted lines and labels; sizes in points."""
    axes.set_facecolor(PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=tick_size)
    axes.xaxis.label.set(color=MUTED, fontsize=label_size)
    axes.yaxis.label.set(color=MUTED, fontsize=label_size)
    return axes


def plain_axes(figure: Figure) -> Axes:
    """The only axes of a figure, on paper."""
    figure.set_facecolor(PAPER)
    return quiet(figure.add_subplot())
