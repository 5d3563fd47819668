"""A small plot as inline SVG that takes its colors and letters from the page.

Every text is escaped; coordinates have two decimals, so that the same data give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 24, 40


@dataclass(frozen=True)
class Axis:
    """A range of the data, in its unit, with the name that stands beside it."""

    low: float
    high: float
    name: str
    is_log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high one."""
        if self.is_log:
            return math.log(value / self.low) / (math.log(self.high / self.low) or 1)
        return (value - self.low) / ((self.high - self.low) or 1)

    def ticks(self) -> list[float]:
        """Round values of the range, a few."""
        if not self.is_log:
            return ticks(self.low, self.high)
        powers = [10.0**power for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)))]
        return [power * step for power in powers for step in (1, 2, 5) if self.low <= power * step <= self.high]


@dataclass(frozen=True)
class Plot:
    """Two axes and where they put a point."""

    x: Axis
    y: Axis
    title: str

    def left(self, value: float) -> float:
        """The horizontal place of a value."""
        return LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)

    def top(self, value: float) -> float:
        """The vertical place of a value."""
        return HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)

    def draw(self, marks: Sequence[Markup]) -> Markup:
        """The whole plot, marks over grid."""
        inside = Markup("").join([*self._grid(), *marks, *self._names()])
        head = Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">')
        return head.format(WIDTH, HEIGHT, f"{self.title}: {self.y.name} over {self.x.name}") + inside + Markup("</svg>")

    def dot(self, x: float, y: float, radius: float, style: str, title: str = "") -> Markup:
        """A circle; its title shows when it is pointed at."""
        tip = Markup("<title>{}</title>").format(title) if title else Markup("")
        circle = Markup('<circle class="{}" cx="{}" cy="{}" r="{}">{}</circle>')
        return circle.format(style, short(self.left(x)), short(self.top(y)), short(radius), tip)

    def line(self, xs: Sequence[float], ys: Sequence[float], style: str) -> Markup:
        """A line through points, cut off at the top of the plot."""
        points = zip(xs, ys, strict=True)
        path = " ".join(f"{short(self.left(x))},{short(self.top(min(y, self.y.high)))}" for x, y in points)
        return Markup('<polyline class="line {}" points="{}"/>').format(style, path)

    def bar(self, low: float, high: float, value: float, style: str, title: str) -> Markup:
        """An upright bar from the bottom to a value."""
        left, top = self.left(low), self.top(value)
        rectangle = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
        width, height = max(self.left(high) - left - 1, 0.5), self.top(self.y.low) - top
        return rectangle.format(style, short(left), short(top), short(width), short(height), title)

    def _grid(self) -> list[Markup]:
        marks = []
        for value in self.y.ticks():
            top = short(self.top(value))
            rule = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, top, top)
            marks += [rule, _text(LEFT - 6, self.top(value) + 3.5, plain(value), "end")]
        for value in self.x.ticks():
            marks.append(_text(self.left(value), HEIGHT - BOTTOM + 14, plain(value), "middle"))
        bottom = HEIGHT - BOTTOM
        axis = Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>')
        return [*marks, axis.format(LEFT, WIDTH - RIGHT, bottom, bottom)]

    def _names(self) -> list[Markup]:
        return [
            _text(LEFT, 13, self.title, "start", "title"),
            _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, self.x.name, "middle"),
            _text(WIDTH - RIGHT, 13, self.y.name, "end"),
        ]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values between two ends, about `count` of them."""
    span = high - low
    if not span > 0:
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def plain(value: float) -> str:
    """A number as a person writes it."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.10g}"


def short(value: float) -> str:
    """A coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(left: float, top: float, text: str, anchor: str, style: str = "") -> Markup:
    element = Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>')
    return element.format(style, short(left), short(top), anchor, text)
