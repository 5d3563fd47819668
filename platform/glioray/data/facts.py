"""What was read, in figures: for the manifest, the page and the plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from glioray.data.manifest import Facts, PartCounts, Range
from glioray.data.records import Contents
from glioray.data.staging import Row

AXES = ("slice", "row", "column")


def count(rows: Sequence[Row], groups: Sequence[str], contents: Contents) -> PartCounts:
    """Rows, groups, patients, and rows of each class or that show each label."""
    pixels = {name: [row.label_pixels[place] for row in rows] for place, name in enumerate(contents.labels)}
    if contents.task == "classification":
        labels = Counter(row.label for row in rows)
        by_output = {name: labels[place] for place, name in enumerate(contents.classes)}
    else:
        by_output = {name: sum(value > 0 for value in values) for name, values in pixels.items()}
    return PartCounts(
        rows=len(rows),
        groups=len(set(groups)),
        patients=len({row.patient_id for row in rows} - {None}),
        rows_by_output=by_output,
        foreground_rows=sum(any(row.label_pixels) for row in rows),
        label_pixels={name: sum(values) for name, values in pixels.items()},
    )


def facts_of(rows: Sequence[Row], cases: int, counts: Sequence[PartCounts], contents: Contents) -> Facts:
    """Sizes, spacing, balance and volumes over all rows."""
    per_case = Counter(row.case_id for row in rows)
    known = [row.raw_spacing_mm for row in rows if row.raw_spacing_mm is not None]
    is_segmentation = contents.task == "segmentation"
    return Facts(
        cases=cases,
        height_px=Range.of(row.raw_height for row in rows),
        width_px=Range.of(row.raw_width for row in rows),
        slices=Range.of(per_case.values()),
        spacing_mm={name: Range.of(mm[axis] for mm in known) for axis, name in enumerate(AXES)} if known else {},
        shares=_shares(counts, contents),
        foreground_share=round(sum(c.foreground_rows for c in counts) / len(rows), 6) if is_segmentation else None,
        volumes_ml=_volumes(rows, contents) if is_segmentation else {},
    )


def _shares(counts: Sequence[PartCounts], contents: Contents) -> dict[str, float]:
    """Of the images by class, of the labeled pixels by label."""
    kind = "rows_by_output" if contents.task == "classification" else "label_pixels"
    sums = {name: sum(getattr(part, kind)[name] for part in counts) for name in contents.outputs}
    total = max(sum(sums.values()), 1)
    return {name: round(value / total, 6) for name, value in sums.items()}


def _volumes(rows: Sequence[Row], contents: Contents) -> dict[str, Range]:
    """Of each label and each region, over cases; none where the spacing of one is not known."""
    by_case: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(contents.labels)))
    for row in rows:
        if row.spacing_mm is None:
            return {}
        by_case[row.case_id] += np.array(row.label_pixels) * (float(np.prod(row.spacing_mm)) / 1000)
    names = list(contents.labels)
    wanted: Mapping[str, Sequence[str]] = {**{name: (name,) for name in names}, **contents.regions}
    places = {region: [names.index(label) for label in labels] for region, labels in wanted.items()}
    return {region: Range.of(volumes[place].sum() for volumes in by_case.values()) for region, place in places.items()}
