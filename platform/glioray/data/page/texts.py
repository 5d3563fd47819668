"""What the page says in words and tables: counts, sizes, settings, patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from glioray.data.manifest import Manifest, Range
from glioray.data.page.figures import value_plot
from glioray.data.page.patients import Patients
from glioray.data.page.table import Table

Row = tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """A table of words; its first columns, `num_names` of them, say what a row is of."""

    caption: str
    head: Row
    rows: tuple[Row, ...]
    num_names: int = 1


def count_table(manifest: Manifest) -> TextTable:
    """Rows, groups, patients and each output, by part."""
    counts = [manifest.counts[part] for part in manifest.parts]
    is_classification = manifest.contents.task == "classification"
    rows = [_count_row("images" if is_classification else "slices", [c.rows for c in counts])]
    if any(c.patients for c in counts):
        rows.append(_count_row("patients", [c.patients for c in counts]))
    if [c.groups for c in counts] != [c.patients for c in counts]:
        rows.append(_count_row("groups", [c.groups for c in counts]))
    for name in manifest.contents.outputs:
        words = name if is_classification else f"slices that show {name}"
        rows.append(_count_row(words, [c.rows_by_output[name] for c in counts]))
    return TextTable("What each part holds.", ("", *manifest.parts, "all"), tuple(rows))


def amount_table(patients: Patients, manifest: Manifest) -> TextTable | None:
    """Range of each label and region by part, over patients that have any of it."""
    if manifest.contents.task != "segmentation" or not patients.patients:
        return None
    rows: list[Row] = []
    for name, places in _amount_columns(manifest).items():
        for part in manifest.parts:
            amounts = np.array([patient.amounts[places].sum() for patient in patients.of(part)])
            present = amounts[amounts > 0]
            words = _three(present) if len(present) else ("none", "", "")
            rows.append((name if part == manifest.parts[0] else "", part, f"{len(present)} of {len(amounts)}", *words))
    caption = f"Tumor of a patient in {patients.unit}, by label and region, over the patients that have any of it."
    return TextTable(caption, ("", "part", "patients", "least", "median", "most"), tuple(rows), num_names=2)


def size_table(table: Table, manifest: Manifest) -> TextTable:
    """Raw and prepared sizes, and the distances that are known."""
    facts, side_px = manifest.facts, str(manifest.settings.preprocessing.image_size)
    rows: list[Row] = [
        ("raw height, px", *_three(table.raw_size_px[:, 0])),
        ("raw width, px", *_three(table.raw_size_px[:, 1])),
        ("prepared height and width, px", side_px, side_px, side_px),
    ]
    slices = Counter(patient for patient in table.patient if patient is not None)
    if slices:
        rows.append(("slices of a patient", *_three(np.array(list(slices.values())))))
    for place, axis in enumerate(("slice", "row", "column")):
        name = f"{axis} to {axis}, mm"
        if axis in facts.spacing_mm:
            rows.append((f"raw, {name}", *_of_range(facts.spacing_mm[axis])))
        known = table.spacing_mm[np.isfinite(table.spacing_mm[:, place]), place]
        if len(known):
            rows.append((f"prepared, {name}", *_three(known.round(3))))
    if not np.isfinite(table.spacing_mm).any():
        rows.append(("distances, mm", "not known", "", ""))
    caption = "Sizes of the raw pictures, and distances between the centers of pixels and slices."
    return TextTable(caption, ("", "least", "median", "most"), tuple(rows))


def clinical_table(manifest: Manifest) -> TextTable | None:
    """What is known of how many patients."""
    people = list(manifest.clinical.values())
    if not people:
        return None
    ages = [person.age_years for person in people if person.age_years is not None]
    days = [person.survival_days for person in people if person.survival_days is not None]
    rows: list[Row] = []
    for name, values in (("age, years", ages), ("survival, days", days)):
        if values:
            rows.append((name, str(len(values)), _range(values)))
    extents = Counter(person.resection for person in people if person.resection)
    for extent, count in sorted(extents.items()):
        rows.append((f"resection {extent}", str(count), ""))
    return TextTable(
        f"What the table of {len(people):,} patients says.", ("", "known of", "median (range)"), tuple(rows)
    )


def clinical_plots(manifest: Manifest) -> list[Markup]:
    """Histograms of age and survival, where three patients or more have one."""
    people = list(manifest.clinical.values())
    plots = []
    for name, unit, title in (("age_years", "years", "age"), ("survival_days", "days", "survival")):
        values = [float(value) for person in people if (value := getattr(person, name)) is not None]
        if len(values) >= 3:
            plots.append(value_plot(values, unit, f"{title} (n = {len(values)})"))
    return plots


def setting_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Every setting that decides the bytes of the shards."""
    return _flat(manifest.settings.model_dump(mode="json"))


def _count_row(name: str, values: Sequence[int]) -> Row:
    return (name, *(f"{value:,}" for value in values), f"{sum(values):,}")


def _amount_columns(manifest: Manifest) -> dict[str, list[int]]:
    labels = list(manifest.contents.labels)
    columns = {name: [place] for place, name in enumerate(labels)}
    for region, members in manifest.contents.regions.items():
        columns[region] = [labels.index(member) for member in members]
    return columns


def _range(values: Sequence[float]) -> str:
    least, median, most = _three(np.array(values, dtype=np.float64))
    return f"{median} ({least} to {most})"


def _three(values: NDArray[Any]) -> tuple[str, str, str]:
    return _number(values.min()), _number(np.median(values)), _number(values.max())


def _of_range(values: Range) -> tuple[str, str, str]:
    return _number(values.least), _number(values.median), _number(values.most)


def _number(value: float) -> str:
    """Three digits that count, or all of a whole number."""
    value = float(value)
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", "none" if value in (None, {}) else str(value)))
    return rows
