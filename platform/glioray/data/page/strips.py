"""A line for each patient: which of its slices carry tumor, and beside it how much.

Shapes: P patients of a part, W positions across a stack, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from PIL import Image

from glioray.data.page.patients import Patient, Patients, areas_across
from glioray.data.page.scans import encoded
from glioray.data.page.svg import plain, short, ticks
from glioray.data.page.table import Table

WIDTH = 160
MOST_NAMED = 40
COLOR = (198, 82, 52)
SHADES = 32


@dataclass(frozen=True)
class Lines:
    """The lines of one part: the heat strip, the bars and, where they can be read, the names, short and whole."""

    part: str
    count: int
    names: tuple[tuple[str, str], ...]
    height_px: int
    strip: str
    bars: Markup


@dataclass(frozen=True)
class AmountAxis:
    """The scale under the bars: (text, percent from the left) of each tick, and the unit."""

    marks: tuple[tuple[str, str], ...]
    unit: str


def patient_lines(table: Table, patients: Patients, outputs: Sequence[str]) -> tuple[list[Lines], AmountAxis] | None:
    """The lines of every part with a common scale; none where nobody has a tumor."""
    largest = max((patient.amount for patient in patients.patients), default=0.0)
    if not largest:
        return None
    strips = {part: _areas(table, patients.of(part)) for part in table.parts}
    most = max(float(areas.max()) for areas in strips.values() if areas.size)
    is_named = max(len(areas) for areas in strips.values()) <= MOST_NAMED
    row_px = 16 if is_named else (5 if len(patients.patients) <= 150 else 3)
    common = _length_of_common_start([patient.name for patient in patients.patients])
    lines = []
    for part, areas in strips.items():
        mine = patients.of(part)
        if mine:
            names = tuple((patient.name[common:], patient.name) for patient in mine) if is_named else ()
            bars = _bars(mine, largest, patients.unit, outputs, gap=0.14 if is_named else 0)
            lines.append(Lines(part, len(mine), names, row_px * len(mine), _strip(areas, most), bars))
    marks = tuple((plain(value), short(100 * value / largest)) for value in ticks(0, largest, 3))
    return lines, AmountAxis(marks, patients.unit)


def _length_of_common_start(names: Sequence[str]) -> int:
    """Up to the last underscore or hyphen that all names share: what follows tells them apart."""
    if len(names) < 2:
        return 0
    first, last = min(names), max(names)
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return 1 + max(first.rfind("_", 0, same), first.rfind("-", 0, same))


def _areas(table: Table, mine: Sequence[Patient]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    areas = np.zeros((len(mine), WIDTH))
    for row, patient in enumerate(mine):
        areas[row] = areas_across(table, patient, WIDTH)
    return areas


def _strip(areas: np.ndarray[tuple[int, int], np.dtype[np.float64]], most: float) -> str:
    """A PNG with a pixel for each patient and position, clear where there is no tumor."""
    # By the root, so that a few pixels of tumor are seen beside many.
    shades = np.ceil((SHADES - 1) * np.sqrt(areas / most)).astype(np.uint8)
    image = Image.fromarray(shades).convert("P")
    image.putpalette(COLOR * SHADES)
    alphas = bytes([0, *np.linspace(50, 255, SHADES - 1).round().astype(int).tolist()])
    image.info.clear()
    return encoded(image, "png", optimize=True, transparency=alphas)


def _bars(mine: Sequence[Patient], largest: float, unit: str, outputs: Sequence[str], gap: float) -> Markup:
    """Lying bars, a unit high each, stacked by label, 100 units for the largest of all parts."""
    head = Markup('<svg class="bars" viewBox="0 0 100 {}" preserveAspectRatio="none" aria-hidden="true">')
    parts = [head.format(len(mine))]
    for row, patient in enumerate(mine):
        parts.append(Markup("<g><title>{}</title>").format(_words(patient, unit, outputs)))
        left = 0.0
        for label, amount in enumerate(patient.amounts.tolist()):
            if amount:
                width = 100 * amount / largest
                bar = Markup('<rect class="l{}" x="{}" y="{}" width="{}" height="{}"/>')
                parts.append(bar.format(label, short(left), short(row + gap / 2), short(width), short(1 - gap)))
                left += width
        parts.append(Markup("</g>"))
    return Markup("").join([*parts, Markup("</svg>")])


def _words(patient: Patient, unit: str, outputs: Sequence[str]) -> str:
    amounts = zip(outputs, patient.amounts.tolist(), strict=True)
    return f"{patient.name}: " + ", ".join(f"{name} {amount:,.1f} {unit}" for name, amount in amounts)
