"""Plots of a classifier: its figures by class, its ROC curves, how sure it is. As in `figures.py`, PNG as bytes.

Shapes: N rows, K classes, M measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve

from glioray.evaluation.figures import GRID, INK, PAPER, QUIET, RIGHT, WRONG, plain_axes, png_bytes, quiet

_COLORS = (RIGHT, WRONG, "#d9a441", "#7a5ba6", "#4f8f4f", "#5b6b78", "#c06ba1", "#8a6d3b")
"""Told apart by the color-blind up to the fifth; of more, lines are dashed"""

Interval = tuple[float, float, float]
"""Value, lower and upper end; NaN where there is none"""


class Panel(NamedTuple):
    """One way to say how sure an answer is: (N,) numbers, and the range that is drawn."""

    label: str
    values: NDArray[np.float64]
    low: float
    high: float


def class_figure(measures: Mapping[str, Sequence[Interval]], classes: Sequence[str]) -> bytes:
    """A bar a class for each of a few measures, with its interval."""
    thickness = 0.8 / len(measures)
    figure = Figure(figsize=(5.2, 0.9 + 0.24 * len(measures) * len(classes)))
    axes = plain_axes(figure)
    places = np.arange(len(classes))
    for number, (name, intervals) in enumerate(measures.items()):
        value, low, high = np.array(intervals, dtype=float).T
        rows = places + (number - (len(measures) - 1) / 2) * thickness
        axes.barh(rows, value, height=thickness * 0.86, color=_COLORS[number % len(_COLORS)], alpha=0.75, label=name)
        axes.hlines(rows, low, high, color=INK, linewidth=1.3)
    axes.set_yticks(places, classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlim(0, 1.005)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=len(measures), frameon=False, fontsize=9, labelcolor=INK)
    return png_bytes(figure)


def roc_figure(truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]) -> bytes:
    """The curve of each class (K) against the rest, of truth (N,) and probabilities (N,K).

    A class that has no image, or all of them, has no curve.
    """
    true, said = np.asarray(truth), np.asarray(probabilities, dtype=float)
    figure = Figure(figsize=(4.6, 4.4))
    axes = plain_axes(figure)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1.2, linestyle="--")
    for place, name in enumerate(classes):
        is_class = true == place
        if is_class.any() and not is_class.all():
            false_rate, true_rate, _ = roc_curve(is_class, said[:, place])
            style = "-" if place < len(_COLORS) else "--"
            axes.plot(false_rate, true_rate, style, color=_COLORS[place % len(_COLORS)], linewidth=1.6, label=name)
    axes.set_xlabel("share of the other images that pass too")
    axes.set_ylabel("share of its images that pass")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.grid(color=GRID, linewidth=0.8)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="lower right", labelcolor=INK)
    return png_bytes(figure)


def confidence_figure(panels: Sequence[Panel], is_right: ArrayLike) -> bytes:
    """How sure the model was where it was right (N,) and where it was wrong, as shares of each kind; a panel a way."""
    right = np.asarray(is_right, dtype=bool)
    figure = Figure(figsize=(5.2, 0.2 + 2.3 * len(panels)))
    figure.set_facecolor(PAPER)
    for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False).ravel(), panels, strict=True):
        _two_shares(quiet(axes), panel, right)
    return png_bytes(figure)


def reliability_figure(sure: ArrayLike, right: ArrayLike, counts: ArrayLike) -> bytes:
    """Share of right answers by mean confidence, a dot a bin that has images, the larger the more it has: (bins,)."""
    sizes = np.asarray(counts, dtype=float)
    has = sizes > 0
    figure = Figure(figsize=(5.2, 3.6))
    axes = plain_axes(figure)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1.2, linestyle="--")
    places = np.asarray(sure, dtype=float)[has], np.asarray(right, dtype=float)[has]
    axes.plot(*places, color=RIGHT, linewidth=1.2, alpha=0.6)
    axes.scatter(*places, s=14 + 220 * sizes[has] / max(sizes.sum(), 1), color=RIGHT, linewidths=0)
    axes.set_xlabel("confidence in the answer")
    axes.set_ylabel("share that was right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return png_bytes(figure)


def _two_shares(axes: Axes, panel: Panel, right: NDArray[np.bool_]) -> None:
    edges = np.linspace(panel.low, max(panel.high, panel.low + 1e-6), 21)
    for is_kind, color, name in ((right, RIGHT, "right"), (~right, WRONG, "wrong")):
        values = panel.values[is_kind]
        weights = np.full(len(values), 100 / max(len(values), 1))
        label = f"{name} ({len(values)}, median {np.median(values):.2f})" if len(values) else f"{name} (0)"
        clipped = np.clip(values, edges[0], edges[-1])
        axes.hist(clipped, bins=edges.tolist(), weights=weights, color=color, alpha=0.25, label=label)
        axes.hist(clipped, bins=edges.tolist(), weights=weights, color=color, histtype="step", linewidth=1.6)
    axes.set_xlabel(panel.label)
    axes.set_ylabel("share of its kind, %")
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.28)  # room for the legend
    axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=2, labelcolor=INK)
