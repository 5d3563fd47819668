"""Pictures of a sweep, each as the bytes of a PNG."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from glioray.evaluation.figures import GRID, INK, MUTED, PAPER, QUIET, RIGHT, WRONG, png_bytes, quiet
from glioray.tuning.ranges import Value
from glioray.tuning.result import SweepResult, TrialRow

_GOOD = LinearSegmentedColormap.from_list("pale to teal", ["#d8dee3", "#8fbccb", RIGHT, "#0d3b4a"])
MOST_SLICES = 12
LOG_SPAN = 20  # values that span more than this factor stand on a logarithmic axis


def best_so_far(result: SweepResult) -> bytes:
    """The best value over the trials by number, and over the seconds until each ended."""
    figure, panels = _panels(1, 2, 8.4, 3.2)
    places: tuple[Callable[[TrialRow], float], ...] = (lambda row: row.number, lambda row: row.after_s or 0.0)
    for axes, name, place in zip(panels, ("trial", "seconds since the start"), places, strict=True):
        rows = sorted(_valued(result), key=place)
        for state, color, marker in (("complete", RIGHT, "o"), ("stopped", QUIET, "x")):
            some = [row for row in rows if row.state == state]
            values = list(map(_first, some))
            axes.scatter(list(map(place, some)), values, s=22, color=color, marker=marker, label=state)
        line = _running_best(list(map(_first, rows)), result.mode[0])
        axes.step(list(map(place, rows)), line, where="post", color=WRONG, linewidth=1.6, label="best so far")
        axes.set_xlabel(name)
        axes.set_ylabel(f"{result.metric[0]} on val")
    panels[0].legend(frameon=False, fontsize=8)
    return png_bytes(figure)


def epoch_curves(result: SweepResult) -> bytes:
    """Each trial over its epochs; a cross where the scheduler stopped it."""
    figure, (axes,) = _panels(1, 1, 6.4, 3.4)
    shown = result.chosen
    for row in result.trials:
        if not row.epochs:
            continue
        epochs, values = list(row.epochs), list(row.epochs.values())
        is_best = shown is not None and row.number == shown.number
        color = WRONG if is_best else RIGHT if row.state == "complete" else QUIET
        axes.plot(epochs, values, color=color, linewidth=2 if is_best else 1, alpha=1 if is_best else 0.6)
        if row.state == "stopped":
            axes.plot(epochs[-1], values[-1], marker="x", color=MUTED, markersize=5)
    for color, name in ((WRONG, "the best"), (RIGHT, "complete"), (QUIET, "stopped")):
        axes.plot([], [], color=color, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{result.metric[0]} on val")
    axes.legend(frameon=False, fontsize=8)
    return png_bytes(figure)


def parallel_coordinates(result: SweepResult) -> bytes:
    """A line a trial through its settings, darker where it is better; a setting that it lacks breaks the line."""
    paths = list(dict.fromkeys(path for row in result.trials for path in row.settings))
    figure, (axes,) = _panels(1, 1, max(6.4, 1.5 * len(paths) + 1.8), 4.0)
    scales = [_Scale([row.settings[path] for row in result.trials if path in row.settings]) for path in paths]
    rows = sorted(_valued(result), key=_first, reverse=result.mode[0] == "min")
    shades = Normalize(*_middle([_first(row) for row in rows]), clip=True)
    for row in rows:
        heights = [
            scale.place(row.settings[path]) if path in row.settings else math.nan
            for path, scale in zip(paths, scales, strict=True)
        ]
        share = shades(_first(row)) if result.mode[0] == "max" else 1 - shades(_first(row))
        axes.plot(range(len(paths)), heights, color=_GOOD(share), linewidth=0.8 + 1.6 * float(share), alpha=0.9)
    for place, scale in enumerate(scales):
        axes.axvline(place, color=MUTED, linewidth=0.8, zorder=0)
        for height, text in scale.ticks:
            axes.text(place + 0.03, height, text, fontsize=7.5, color=INK, va="center", bbox=_BACKED)
    axes.set_xticks(range(len(paths)), [path.replace(".", ".\n") for path in paths], fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(-0.06, 1.06)
    axes.spines[:].set_visible(False)
    colors = _GOOD if result.mode[0] == "max" else _GOOD.reversed()
    figure.colorbar(ScalarMappable(shades, colors), ax=axes, label=f"{result.metric[0]} on val", pad=0.02)
    return png_bytes(figure)


def importance_bars(result: SweepResult) -> bytes:
    """The share of each setting in the spread of the values."""
    figure, (axes,) = _panels(1, 1, 6.4, 0.8 + 0.34 * len(result.importance))
    names, shares = list(result.importance), list(result.importance.values())
    axes.barh(range(len(names)), shares, color=RIGHT, height=0.62)
    for place, share in enumerate(shares):
        axes.text(share + 0.01, place, f"{share:.0%}", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return png_bytes(figure)


def slices(result: SweepResult) -> bytes:
    """The value over each setting, one panel a setting; stopped trials pale, at the value that they had reached."""
    paths = list(dict.fromkeys(path for row in result.trials for path in row.settings))[:MOST_SLICES]
    columns = min(3, len(paths))
    figure, panels = _panels(-(-len(paths) // columns), columns, 2.9 * columns, 2.5 * -(-len(paths) // columns))
    for axes, path in zip(panels, paths, strict=False):
        rows = [row for row in _valued(result) if path in row.settings]
        scale = _Scale([row.settings[path] for row in rows])
        for state, color in (("stopped", QUIET), ("complete", RIGHT)):
            some = [row for row in rows if row.state == state]
            heights = list(map(_first, some))
            axes.scatter([scale.place(row.settings[path]) for row in some], heights, s=20, color=color, linewidths=0)
        axes.set_xticks([height for height, _ in scale.ticks], [text for _, text in scale.ticks], fontsize=7.5)
        axes.set_xlim(-0.08, 1.08)
        axes.set_xlabel(path)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
    for axes in panels[len(paths) :]:
        axes.set_visible(False)
    panels[0].set_ylabel(f"{result.metric[0]} on val")
    return png_bytes(figure)


def front(result: SweepResult) -> bytes:
    """The first two metrics of each complete trial; those that none beats are joined."""
    figure, (axes,) = _panels(1, 1, 5.6, 3.6)
    done = [row.values for row in result.trials if row.values and row.state == "complete"]
    axes.scatter([values[0] for values in done], [values[1] for values in done], s=24, color=QUIET, linewidths=0)
    best = sorted(row.values for row in result.trials if row.values and row.number in result.best)
    first, second = [values[0] for values in best], [values[1] for values in best]
    axes.plot(first, second, color=WRONG, marker="o", markersize=5, linewidth=1.2, label="none is better in all")
    axes.set_xlabel(f"{result.metric[0]} ({result.mode[0]})")
    axes.set_ylabel(f"{result.metric[1]} ({result.mode[1]})")
    axes.legend(frameon=False, fontsize=8)
    return png_bytes(figure)


_BACKED = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8}


class _Scale:
    """Where values of a setting stand between 0 and 1: numbers by size, all else in order."""

    def __init__(self, values: Sequence[Value]) -> None:
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        self._names = sorted({_text(value) for value in values}) if len(numbers) < len(values) else []
        low, high = (min(numbers), max(numbers)) if numbers else (0, 1)
        self._map: Callable[[float], float] = math.log if low > 0 and high / low >= LOG_SPAN else float
        self._low, self._high = low, high

    def place(self, value: Value) -> float:
        """Between 0 and 1."""
        if self._names:
            return self._names.index(_text(value)) / max(1, len(self._names) - 1) if len(self._names) > 1 else 0.5
        span = self._map(self._high) - self._map(self._low)
        return (self._map(value) - self._map(self._low)) / span if span else 0.5

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Heights and texts."""
        if self._names:
            return [(self.place(name), name) for name in self._names]
        if self._low == self._high:
            return [(0.5, f"{self._low:.3g}")]
        return [(0.0, f"{self._low:.2g}"), (1.0, f"{self._high:.2g}")]


def _panels(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    panels: list[Axes] = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for axes in panels:
        quiet(axes, tick_size=8, label_size=8.5)
    return figure, panels


def _valued(result: SweepResult) -> list[TrialRow]:
    """Trials with a value: complete, or stopped with what they had reached."""
    return [row for row in result.trials if row.values and math.isfinite(row.values[0]) and row.state != "running"]


def _first(row: TrialRow) -> float:
    assert row.values is not None
    return row.values[0]


def _running_best(values: Sequence[float], mode: str) -> list[float]:
    better = np.maximum if mode == "max" else np.minimum
    return list(better.accumulate(values)) if values else []


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Where the colors begin and end: the worst quarter is all alike, so that the best can be told apart."""
    low, high = (float(np.quantile(values, 0.25)), max(values)) if values else (0.0, 1.0)
    return low, high if high > low else low + 1e-9


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
