"""The page put together from the prepared folder: columns first, then the pixels of what is shown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from glioray import pages
from glioray.data.page import choice, figures, texts
from glioray.data.page.patients import Patients, find_patients
from glioray.data.page.scans import draw_rows, label_color
from glioray.data.page.strips import patient_lines
from glioray.data.page.table import Table, read_table
from glioray.data.page.walk import walk_of
from glioray.data.prepared import PreparedDataset

FILE_NAME = "dataset.html"
MOST_UNFOLDED = 12


def write_page(
    dataset: PreparedDataset,
    histograms: Mapping[str, NDArray[np.int64]],
    notes: Sequence[tuple[str, str]] = (),
) -> Path:
    """Writes the page beside the manifest; the same data give the same bytes.

    Args:
        dataset: what was prepared.
        histograms: (C,256) counts of all pixels of each part, by value.
        notes: (name, text) of each line of the plan, if one was made.
    """
    text = pages.render("glioray.data.page", "page.html.j2", **_context(dataset, histograms), notes=list(notes))
    path = dataset.folder / FILE_NAME
    path.write_text(text, encoding="utf-8")
    return path


def _context(dataset: PreparedDataset, histograms: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    manifest, table = dataset.manifest, read_table(dataset)
    patients = find_patients(table)
    return {
        "manifest": manifest,
        "parts": table.parts,
        "num_rows": len(table),
        "label_colors": ["#{:02x}{:02x}{:02x}".format(*label_color(i)) for i in range(len(manifest.contents.labels))],
        "most_unfolded": MOST_UNFOLDED,
        "setting_rows": texts.setting_rows(manifest),
        "refused_rows": [(each.source, each.reason) for each in manifest.refused],
        "remark_rows": [(each.source, each.reason) for each in manifest.remarks],
        "shard_rows": [(shard.path, shard.sha256) for shard in manifest.shards],
        "walk": walk_of(dataset, table, patients),
        "style": pages.family_style(),
        "script": (script := _script()),
        # What the page's security policy allows to run: this script and no other.
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **_tables(dataset, table, patients),
        **_plots(dataset, table, patients, histograms),
        **_pictures(dataset, table, patients),
    }


def _tables(dataset: PreparedDataset, table: Table, patients: Patients) -> dict[str, Any]:
    manifest = dataset.manifest
    return {
        "count_table": texts.count_table(manifest),
        "amount_table": texts.amount_table(patients, manifest),
        "size_table": texts.size_table(table, manifest),
        "clinical_table": texts.clinical_table(manifest),
        "num_patients": len({patient for patient in table.patient if patient is not None}),
    }


def _plots(
    dataset: PreparedDataset, table: Table, patients: Patients, histograms: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any]:
    manifest = dataset.manifest
    contents = manifest.contents
    ordered = {part: histograms[part] for part in table.parts if part in histograms}
    rows_by_class = np.bincount(table.label[table.label >= 0], minlength=max(1, len(contents.classes)))
    return {
        "size_plots": figures.size_plots(table, contents.classes),
        "size_tells": figures.size_names_class(table),
        "commonest_share": float(rows_by_class.max() / len(table)),
        "intensity_plots": figures.intensity_plots(ordered, contents.channels),
        "part_styles": {part: figures.part_style(place, len(table.parts)) for place, part in enumerate(table.parts)},
        "patient_lines": patient_lines(table, patients, contents.outputs),
        "clinical_plots": texts.clinical_plots(manifest),
    }


def _pictures(dataset: PreparedDataset, table: Table, patients: Patients) -> dict[str, Any]:
    """The sheets, and the picture of every row on them."""
    sheets = {
        "samples": choice.sample_sheets(table, dataset.manifest, patients),
        "clusters": [] if patients.patients else choice.largest_clusters(table, dataset.manifest.whole_group),
        "conflicts": choice.conflict_sheets(table, dataset.manifest),
    }
    shown = {each.row for kind in sheets.values() for sheet in kind for each in sheet.shown}
    return {**sheets, "pictures": draw_rows(dataset, table, shown), "sources": table.source}


def _script() -> Markup:
    return Markup(resources.files("glioray.data.page").joinpath("walk.js").read_text(encoding="utf-8"))  # noqa: S704
