"""The curves of a run as inline SVG, in the colors of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from glioray.data.page.svg import Axis, Plot
from glioray.training.record import History, best_row
from glioray.training.watching.scalars import RATE, scalars

MOST_POINTS = 400
TRAIN, VAL = "p0", "p1"  # styles of the page
Line = tuple[str, str]  # name in metrics.csv, style


class Epochs(Axis):
    """Only whole epochs have a tick."""

    def ticks(self) -> list[float]:
        """Round values of the range, a few."""
        return [value for value in super().ticks() if value == round(value)]


def curves(history: History) -> list[Markup]:
    """Loss, score, learning rate and images a second over the epochs; none before the first epoch."""
    if not history:
        return []
    rows = thinned(history)
    best = best_row(history)

    def mark(plot: Plot) -> list[Markup]:
        title = f"best: {best['score']:.4f} in epoch {best['epoch']:.0f}"
        return (
            [plot.dot(best["epoch"], best["score"], 4.5, f"dot {VAL}", title)] if math.isfinite(best["score"]) else []
        )

    return [
        _plot(rows, "Loss", [("loss", TRAIN), ("val/loss", VAL)]),
        _plot(rows, "Score on val", [("score", VAL)], mark),
        _plot(rows, "Learning rate", [("learning_rate", TRAIN)], low=0.0),
        _plot(rows, "Images/s", [(RATE, TRAIN)], low=0.0),
    ]


def thinned(history: History) -> History:
    """At most `MOST_POINTS` rows, evenly taken, the last among them."""
    step = -(-len(history) // MOST_POINTS)
    return [*history[:-1:step], history[-1]]


def _plot(
    rows: History,
    title: str,
    lines: Sequence[Line],
    marks: Callable[[Plot], list[Markup]] = lambda _: [],
    low: float | None = None,
) -> Markup:
    found = [scalars(row) for row in rows]
    values = [row[name] for row in found for name, _ in lines if name in row]
    if not values:
        return Plot(Axis(0, 1, "epoch"), Axis(0, 1, "no finite value"), title).draw([])
    bottom = min(values) if low is None else low
    top = max(values)
    margin = 0.06 * (top - bottom) or abs(top) * 0.5 or 1.0
    axis = Axis(bottom if low is not None else bottom - margin, top + margin, "")
    plot = Plot(Epochs(rows[0]["epoch"], max(rows[-1]["epoch"], rows[0]["epoch"] + 1), "epoch"), axis, title)
    drawn: list[Markup] = []
    for name, style in lines:
        points = [(row["epoch"], each[name]) for row, each in zip(rows, found, strict=True) if name in each]
        drawn.append(plot.line([x for x, _ in points], [y for _, y in points], style))
        drawn += [plot.dot(x, y, 2.2, f"dot {style}") for x, y in points] if len(points) <= 30 else []
    return plot.draw([*drawn, *marks(plot)])
