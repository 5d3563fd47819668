"""Plots of the page: sizes, intensities, what is known of the patients.

Shapes: N rows, C channels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from glioray.data.page.svg import Axis, Plot, short
from glioray.data.page.table import Table

SIZE_STEP_PX = 8
BINS_OF_VALUES = 5
NUM_STYLES = 8
MOST_BINS = 16


def size_plots(table: Table, classes: Sequence[str]) -> list[Markup]:
    """Raw width and height of the images of each class, over those of all others in grey; none where all are equal."""
    if len(np.unique(table.raw_size_px, axis=0)) < 2:
        return []
    binned = Counter(map(tuple, (table.raw_size_px // SIZE_STEP_PX * SIZE_STEP_PX).tolist()))
    largest = max(binned.values())
    width, height = _size_axis(table.raw_size_px, "width, px"), _size_axis(table.raw_size_px, "height, px")
    plots = []
    for label, name in enumerate(classes) if classes else ((-1, "all slices"),):
        mine = table.raw_size_px[table.label == label]
        plot = Plot(width, height, f"{name} ({len(mine):,})")
        rest = [plot.dot(w, h, 1.4, "rest") for h, w in sorted(binned)]
        plots.append(plot.draw(rest + _size_dots(plot, mine, largest, label)))
    return plots


def size_names_class(table: Table) -> float | None:
    """Share of images whose class is told by the images of just their size; none where there are no classes.

    An image is judged by other groups only, or a patient's slices would tell each other's class; one whose size
    no other group has gets the commonest class.
    """
    if len(table) == 0 or table.label.max() < 0:
        return None
    by_size: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    by_group: dict[tuple[tuple[int, ...], str], Counter[int]] = defaultdict(Counter)
    rows = list(zip(map(tuple, table.raw_size_px.tolist()), table.group, table.label.tolist(), strict=True))
    for size, group, label in rows:
        by_size[size][label] += 1
        by_group[size, group][label] += 1
    everything = Counter(table.label.tolist())
    told = [_commonest(by_size[size] - by_group[size, group] or everything) == label for size, group, label in rows]
    return float(np.mean(told))


def intensity_plots(histograms: Mapping[str, NDArray[np.int64]], channels: Sequence[str]) -> list[Markup]:
    """How often each value stands in each sequence, a line a part; 0, the background, is left out."""
    shares = {part: _binned_shares(counts) for part, counts in histograms.items() if counts[:, 1:].sum()}
    if not shares:
        return []
    edges = np.arange(1, 256, BINS_OF_VALUES, dtype=float)
    xs = np.repeat([*edges.tolist(), 256.0], 2)[1:-1].tolist()
    plots = []
    for channel, name in enumerate(channels):
        top = _top([values[channel] for values in shares.values()])
        plot = Plot(Axis(0, 256, "value of the prepared pixel"), Axis(0, top, "% of pixels"), name)
        lines = [
            plot.line(xs, np.repeat(values[channel], 2).tolist(), part_style(place, len(histograms)))
            for place, (part, values) in enumerate(shares.items())
        ]
        plots.append(plot.draw(lines))
    return plots


def part_style(place: int, num_parts: int) -> str:
    """The class of a part's line; many folds are alike, so that the odd one shows."""
    return f"p{place}" if num_parts <= 3 else "fold"


def value_plot(values: Sequence[float], name: str, title: str) -> Markup:
    """A histogram of one value of each patient, with round bins."""
    step = _round_step((max(values) - min(values)) / MOST_BINS)
    counts, edges = np.histogram(values, bins=np.arange(min(values) // step, max(values) // step + 2) * step)
    plot = Plot(Axis(float(edges[0]), float(edges[-1]), name), Axis(0, float(counts.max()) * 1.1, "patients"), title)
    bars = [
        plot.bar(float(low), float(high), float(count), "p0", f"{short(low)} to {short(high)}: {count}")
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    ]
    return plot.draw(bars)


def _round_step(least: float) -> float:
    """The first of 1, 2, 5, 10, 20 ... that is no smaller."""
    steps = (factor * 10.0**power for power in range(6) for factor in (1, 2, 5))
    return next(step for step in steps if step >= least)


def _top(lines: Sequence[NDArray[np.float64]]) -> float:
    """A height that shows the hump of every line; a spike of one value must not flatten the rest."""
    together = np.stack(lines)
    return float(min(together.max() * 1.08, 3 * np.percentile(together, 80))) or 1.0


def _size_axis(sizes: NDArray[np.int64], name: str) -> Axis:
    """One range for both sides of a picture, on a log axis where it is wide."""
    low, high = float(sizes.min()), float(sizes.max())
    if high > 4 * low:
        return Axis(max(1.0, low - SIZE_STEP_PX) * 0.9, high * 1.1, name, is_log=True)
    margin = SIZE_STEP_PX + 0.1 * (high - low)
    return Axis(max(0.0, low - margin), high + margin, name)


def _size_dots(plot: Plot, sizes: NDArray[np.int64], largest: int, label: int) -> list[Markup]:
    """A dot for each size, its area by the number of images."""
    counts = Counter(map(tuple, (sizes // SIZE_STEP_PX * SIZE_STEP_PX).tolist()))
    dots = []
    for (height, width), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        radius = max(1.6, 15 * (count / largest) ** 0.5)
        tip = f"about {width} x {height} px: {count:,}"
        dots.append(plot.dot(width, height, radius, f"dot k{max(label, 0) % NUM_STYLES}", tip))
    return dots


def _commonest(counts: Counter[int]) -> int:
    return min(counts, key=lambda label: (-counts[label], label))


def _binned_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C, bins) percent of the pixels that are not background, averaged over the values of a bin."""
    inside = counts[:, 1:].astype(np.float64)
    shares = 100 * inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    binned: NDArray[np.float64] = shares.reshape(len(counts), -1, BINS_OF_VALUES).mean(axis=2)
    return binned
