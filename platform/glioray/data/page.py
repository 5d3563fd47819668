"""`dataset.html`: one page, readable offline, on which a person sees what was prepared."""

from __future__ import annotations

import base64
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from numpy.typing import NDArray
from PIL import Image

from glioray.data.prepared import PreparedDataset
from glioray.data.records import SIDES, Side
from glioray.data.shards import read_columns, read_rows

FILE_NAME = "dataset.html"
SAMPLES = 8
LARGEST_GROUPS, PICTURES_A_GROUP = 6, 10
MOST_CONFLICTS = 12
PICTURE_PX = 88
LABEL_COLORS = ((214, 69, 65), (66, 133, 200), (240, 190, 60), (80, 170, 110))


@dataclass(frozen=True)
class _Place:
    """Where a row stands, and what it is."""

    side: Side
    number: int
    source: str
    group: str
    label: int | None
    brain_fraction: float


@dataclass(frozen=True)
class _Strip:
    """A line of pictures with its caption."""

    caption: str
    places: tuple[_Place, ...]

    def drawn(self, pictures: Mapping[_Place, NDArray[np.uint8]]) -> dict[str, str]:
        """Caption and picture, as the template takes them."""
        stream = io.BytesIO()
        line = np.concatenate([pictures[place] for place in self.places], axis=1)
        Image.fromarray(line).save(stream, format="PNG", optimize=True)
        return {
            "caption": self.caption,
            "picture": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode(),
        }


def write_page(dataset: PreparedDataset) -> Path:
    """Writes the page beside the manifest; the same data give the same bytes."""
    environment = Environment(loader=PackageLoader("glioray.data", "."), autoescape=select_autoescape(["j2"]))
    path = dataset.folder / FILE_NAME
    path.write_text(environment.get_template("page.html.j2").render(_context(dataset)), encoding="utf-8")
    return path


def _context(dataset: PreparedDataset) -> dict[str, Any]:
    places = _places(dataset)
    manifest = dataset.manifest
    samples = _samples(dataset, places)
    groups = _largest_groups(places) if manifest.duplicates else []
    conflicts = _conflicts(dataset, places) if manifest.duplicates else []
    pictures = _pictures(dataset, [*samples, *groups, *conflicts])
    return {
        "manifest": manifest,
        "sides": SIDES,
        "total": sum(counts.rows for counts in manifest.sides.values()),
        "largest_count": max(max(c.rows_by_output.values()) for c in manifest.sides.values()) or 1,
        "samples": [strip.drawn(pictures) for strip in samples],
        "groups": [strip.drawn(pictures) for strip in groups],
        "conflicts": [strip.drawn(pictures) for strip in conflicts],
    }


def _places(dataset: PreparedDataset) -> list[_Place]:
    has_label = dataset.manifest.contents.task == "classification"
    places = []
    for side in SIDES:
        names = ["source", "group_id", "brain_fraction", *(["label"] if has_label else [])]
        columns = read_columns(dataset.folder, dataset.manifest, side, names)
        labels = columns.get("label", [None] * len(columns["source"]))
        rows = zip(columns["source"], columns["group_id"], labels, columns["brain_fraction"], strict=True)
        places += [_Place(side, number, *row) for number, row in enumerate(rows)]
    return places


def _samples(dataset: PreparedDataset, places: Sequence[_Place]) -> list[_Strip]:
    """A line for each class and side, or for each side, of slices that show enough of the head."""
    by_line: dict[tuple[int, Side], list[_Place]] = defaultdict(list)
    typical = float(np.median([place.brain_fraction for place in places]))
    for place in places:
        if place.label is None and place.brain_fraction < typical:
            continue
        by_line[-1 if place.label is None else place.label, place.side].append(place)
    strips = []
    for label, side in sorted(by_line, key=lambda line: (line[0], SIDES.index(line[1]))):
        name = "" if label < 0 else f"{dataset.manifest.contents.classes[label]}, "
        strips.append(_Strip(f"{name}{side}", _spread(by_line[label, side], SAMPLES)))
    return strips


def _largest_groups(places: Sequence[_Place]) -> list[_Strip]:
    sizes = Counter(place.group for place in places)
    strips = []
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:LARGEST_GROUPS]:
        members = [place for place in places if place.group == group]
        caption = f"{group}: {size} images in {members[0].side}"
        strips.append(_Strip(caption, _spread(members, PICTURES_A_GROUP)))
    return strips


def _conflicts(dataset: PreparedDataset, places: Sequence[_Place]) -> list[_Strip]:
    by_source = {place.source: place for place in places}
    found = dataset.manifest.duplicates.conflicts if dataset.manifest.duplicates else ()
    return [
        _Strip(" | ".join(files), tuple(by_source[source] for source in files[:PICTURES_A_GROUP]))
        for files in found[:MOST_CONFLICTS]
    ]


def _spread(places: Sequence[_Place], count: int) -> tuple[_Place, ...]:
    if len(places) <= count:
        return tuple(places)
    return tuple(places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count))


def _pictures(dataset: PreparedDataset, strips: Sequence[_Strip]) -> dict[_Place, NDArray[np.uint8]]:
    """All that the page shows, read in one pass over each side."""
    channels = dataset.manifest.contents.channels
    channel = channels.index("flair") if "flair" in channels else len(channels) - 1
    shown = {place for strip in strips for place in strip.places}
    pictures: dict[_Place, NDArray[np.uint8]] = {}
    for side in SIDES:
        mine = {place.number: place for place in shown if place.side == side}
        if mine:
            rows = read_rows(dataset.folder, dataset.manifest, side, mine)
            pictures |= {mine[number]: _picture(row, channel) for number, row in rows.items()}
    return pictures


def _picture(row: dict[str, NDArray[Any]], channel: int) -> NDArray[np.uint8]:
    """(PICTURE_PX, PICTURE_PX) grey, or (..., 3) with the outline of each label."""
    image = Image.fromarray(row["image"][channel])
    if "mask" not in row:
        return np.array(image.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BILINEAR))
    pixels = np.array(image.convert("RGB"))
    for value, color in zip(sorted(set(np.unique(row["mask"]).tolist()) - {0}), LABEL_COLORS, strict=False):
        pixels[_outline(row["mask"] == value)] = color
    return np.array(Image.fromarray(pixels).resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BILINEAR))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline: NDArray[np.bool_] = mask & ~inner
    return outline
