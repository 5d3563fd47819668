"""Small plots as inline SVG: differences with their intervals, scores by patient, score against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from glioray.data.page.svg import Axis, Plot, plain, short, ticks
from glioray.evaluation.bootstrap import Floats
from glioray.evaluation.comparing.result import Comparison

NUM_COLORS, FEWEST_TICKS, MOST_TICKS = 8, 3, 6
SHOWN_COSTS = {
    "parameters": ("millions of parameters", 1e-6),
    "seconds": ("milliseconds an image", 1e3),
    "megabytes": ("megabytes of weights", 1.0),
}
_ROW, _TOP, _EDGE = 44, 12, 12
_FOREST_WIDTH = 440


class _Models(Axis):
    """One place a model, from 1."""

    def ticks(self) -> list[float]:
        """Their numbers."""
        return [float(number) for number in range(1, int(self.high) + 1)]


class _Cost(Axis):
    """Of so few values that they can be read beside each other."""

    def ticks(self) -> list[float]:
        """Powers of ten alone where there are many; where there are few, round values in between."""
        found = super().ticks()
        if len(found) < FEWEST_TICKS:
            return ticks(self.low, self.high)
        return found if len(found) <= MOST_TICKS else [value for value in found if math.log10(value).is_integer()]


def color_of(place: int) -> str:
    """The class that gives a model its color."""
    return f"k{place % NUM_COLORS}"


def forest(found: Comparison, title: str) -> Markup:
    """A line a pair: the difference and its interval, on a common scale with zero marked."""
    ends = [end for pair in found.pairs for end in (pair.low, pair.high, pair.difference, 0.0) if end is not None]
    margin = 0.05 * (max(ends) - min(ends)) or 0.1
    axis = Axis(min(ends) - margin, max(ends) + margin, "")
    bottom = _TOP + _ROW * len(found.pairs)
    marks = [_upright(axis, value, bottom, "grid") for value in axis.ticks()] + [_upright(axis, 0.0, bottom, "zero")]
    for place, pair in enumerate(found.pairs):
        style = "seen" if pair.differs else "unseen"
        middle = _TOP + _ROW * (place + 0.72)
        name = Markup('<text class="title haloed" x="0" y="{}">{}</text>')
        marks.append(name.format(short(middle - _ROW * 0.3), f"{pair.first} − {pair.second}"))
        if pair.low is not None and pair.high is not None:
            line = Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>')
            marks.append(line.format(style, _x(axis, pair.low), _x(axis, pair.high), short(middle), short(middle)))
        dot = Markup('<circle class="{}" cx="{}" cy="{}" r="5"><title>{}</title></circle>')
        marks.append(dot.format(style, _x(axis, pair.difference), short(middle), f"{pair.difference:+.3f}"))
    marks += [_label(axis, value, bottom) for value in axis.ticks()]
    head = Markup('<svg class="plot forest" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    opening = head.format(_FOREST_WIDTH, bottom + 22, title)
    return opening + Markup("").join(marks) + Markup("</svg>")


def by_unit(values: Sequence[Floats], title: str) -> Markup:
    """A line a patient over the models, whose numbers stand below; a patient without the score has no dot."""
    plot = Plot(_Models(0.6, len(values) + 0.4, "model"), Axis(0, 1, ""), title)
    marks = []
    for row in np.column_stack(list(values)):
        has = [(place, value) for place, value in enumerate(row.tolist()) if not math.isnan(value)]
        marks.append(plot.line([place + 1 for place, _ in has], [value for _, value in has], "unit"))
        marks += [plot.dot(place + 1, value, 3.2, f"dot {color_of(place)}", f"{value:.3f}") for place, value in has]
    return plot.draw(marks)


def against_costs(found: Comparison, title: str) -> list[Markup]:
    """Score against each cost, on a logarithmic scale; a ring where no other model is as good and cheaper."""
    scores = [score for model in found.models if (score := model.score(found.figure))]
    ends = [end for score in scores for end in (score.low, score.high, score.value) if end is not None]
    margin = 0.05 * (max(ends) - min(ends)) or 0.02
    y = Axis(max(0.0, min(ends) - margin), min(1.0, max(ends) + margin), "")
    plots = []
    for kind, (name, factor) in SHOWN_COSTS.items():
        costs = [getattr(model.cost, kind) * factor for model in found.models]
        plot = Plot(_Cost(min(costs) / 1.6, max(costs) * 1.6, name, is_log=True), y, title)
        marks = [_model(found, place, kind, cost, plot) for place, cost in enumerate(costs)]
        plots.append(plot.draw([mark for model in marks for mark in model]))
    return plots


def _model(found: Comparison, place: int, kind: str, cost: float, plot: Plot) -> list[Markup]:
    """Its dot with the interval of its score, its number, and its ring."""
    model, style = found.models[place], color_of(place)
    score = model.score(found.figure)
    assert score is not None
    left, marks = plot.left(cost), []
    if score.ends:
        line = Markup('<line class="span {}" x1="{}" x2="{}" y1="{}" y2="{}"/>')
        marks.append(line.format(style, *map(short, (left, left, *map(plot.top, score.ends)))))
    marks.append(plot.dot(cost, score.value, 4.5, f"dot {style}", f"{model.name}: {score.value:.3f}, {cost:,.4g}"))
    if kind in model.unbeaten:
        marks.append(plot.dot(cost, score.value, 8.5, "ring"))
    number = Markup('<text class="title" x="{}" y="{}">{}</text>')
    return [*marks, number.format(short(left + 12), short(plot.top(score.value) + 4), place + 1)]


def _x(axis: Axis, value: float) -> str:
    return short(_EDGE + axis.share(value) * (_FOREST_WIDTH - 2 * _EDGE))


def _upright(axis: Axis, value: float, bottom: float, style: str) -> Markup:
    line = Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    return line.format(style, _x(axis, value), _x(axis, value), _TOP - 8, short(bottom))


def _label(axis: Axis, value: float, bottom: float) -> Markup:
    text = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
    return text.format(_x(axis, value), short(bottom + 16), plain(value))
