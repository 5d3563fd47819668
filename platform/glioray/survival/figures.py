"""Pictures of predicted survival, each as the bytes of a PNG.

Shapes: N patients.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from lifelines import KaplanMeierFitter
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

from glioray.evaluation.figures import GRID, INK, MUTED, PAPER, QUIET, RIGHT, WRONG, png_bytes, quiet
from glioray.survival.lines import Cases, Line
from glioray.survival.scores import LONG_DAYS, SHORT_DAYS, classes

THIRDS = ("shortest", "middle", "longest")
COLORS = (WRONG, QUIET, RIGHT)


def predicted_against_true(cases: Cases, lines: Sequence[Line]) -> bytes:
    """A panel a line: true and predicted days of every patient scored, on logarithmic axes."""
    figure = Figure(figsize=(3.5 * len(lines), 3.7), facecolor=PAPER)
    rows = cases.is_tested
    days, has_died = cases.cohort.days[rows], cases.cohort.has_died[rows]
    ends = (max(days.min() * 0.8, 1), days.max() * 1.25)
    ticks = [tick for tick in (10, 30, 100, 300, 1000, 3000) if ends[0] <= tick <= ends[1]]
    for axes, line in zip(np.atleast_1d(figure.subplots(1, len(lines), sharey=True)), lines, strict=True):
        quiet(axes)
        predicted = line.days[rows]
        is_right = classes(predicted) == classes(days)
        for bound in (SHORT_DAYS, LONG_DAYS):
            axes.axhline(bound, color=GRID, linewidth=1, zorder=0)
            axes.axvline(bound, color=GRID, linewidth=1, zorder=0)
        axes.plot(ends, ends, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
        for chosen, color, name in ((is_right, RIGHT, "right class"), (~is_right, WRONG, "wrong class")):
            some = chosen & has_died
            axes.scatter(days[some], predicted[some], s=14, color=color, alpha=0.75, linewidths=0, label=name)
        if not has_died.all():
            alive = ~has_died
            axes.scatter(days[alive], predicted[alive], s=20, marker=">", facecolors="none", edgecolors=INK,
                         linewidths=0.8, label="lived then")  # fmt: skip
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="true days")
        axes.set_title(line.title, fontsize=9, color=INK)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks)
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    figure.axes[0].set_ylabel("predicted days")
    figure.axes[0].legend(frameon=False, fontsize=7.5, loc="upper left")
    return png_bytes(figure)


def survival_by_third(cases: Cases, line: Line) -> bytes:
    """Kaplan and Meier's curves of the patients in three parts of the same size by predicted days, with 95 % bands."""
    figure = Figure(figsize=(6.2, 3.6), facecolor=PAPER)
    axes = quiet(figure.add_subplot())
    rows = np.flatnonzero(cases.is_tested)
    ordered = rows[np.argsort(line.days[rows], kind="stable")]
    for third, name, color in zip(np.array_split(ordered, 3), THIRDS, COLORS, strict=True):
        days, has_died = cases.cohort.days[third], cases.cohort.has_died[third]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about calls that lifelines makes
            curve = KaplanMeierFitter().fit(days, has_died)
        at, share = curve.survival_function_.index.to_numpy(), curve.survival_function_.to_numpy().ravel()
        low, high = curve.confidence_interval_.to_numpy().T
        axes.step(at, share, where="post", color=color, linewidth=1.8, label=f"{name} predicted (n = {len(third)})")
        axes.fill_between(at, low, high, step="post", color=color, alpha=0.13, linewidth=0)
        alive = days[~has_died]
        axes.plot(alive, np.interp(alive, at, share), "|", color=color, markersize=7)
    axes.set(xlabel="days", ylabel="share that lives", ylim=(0, 1.02), xlim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    return png_bytes(figure)
