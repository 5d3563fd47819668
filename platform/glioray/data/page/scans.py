"""Pictures of single rows, each in a data: URI; the pixels of a few rows are in memory at once.

Shapes: C channels, S x S prepared pixels, H x W pixels of a picture.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glioray import pages
from glioray.data.page.table import Table
from glioray.data.prepared import PreparedDataset
from glioray.data.shards import read_rows

PICTURE_PX = 144
QUALITY = 80
ROWS_AT_ONCE = 8
# Of Okabe and Ito's palette, which color-blind people tell apart, on grey as well as on paper.
LABEL_COLORS = ((232, 104, 42), (86, 180, 233), (240, 212, 60), (0, 158, 115), (204, 121, 167), (150, 120, 230))


def label_color(index: int) -> tuple[int, int, int]:
    """Red, green and blue of a label, by its place among the labels."""
    return LABEL_COLORS[index % len(LABEL_COLORS)]


def draw_rows(dataset: PreparedDataset, table: Table, rows: Collection[int]) -> dict[int, str]:
    """A picture of each row asked for, with the outline of each label where there is a mask."""
    channel = _telling_channel(dataset.manifest.contents.channels)
    values = tuple(dataset.manifest.contents.labels.values())
    return {
        row: picture_uri(_picture(pixels["image"][channel], pixels.get("mask"), values))
        for row, pixels in iterate_pixels(dataset, table, rows)
    }


def iterate_pixels(
    dataset: PreparedDataset, table: Table, rows: Collection[int]
) -> Iterator[tuple[int, Mapping[str, NDArray[Any]]]]:
    """Image (C,S,S) and mask (S,S) of the rows asked for, in the order of the shards."""
    by_part: dict[int, list[int]] = defaultdict(list)
    for row in sorted(set(rows)):
        by_part[int(table.part[row])].append(row)
    for part, mine in by_part.items():
        for start in range(0, len(mine), ROWS_AT_ONCE):
            wanted = {int(table.number[row]): row for row in mine[start : start + ROWS_AT_ONCE]}
            for number, pixels in read_rows(dataset.folder, dataset.manifest, table.parts[part], wanted).items():
                # A view would hold its whole row group in memory for as long as it is kept.
                yield wanted[number], {name: pixels[name].copy() for name in ("image", "mask") if name in pixels}


def picture_uri(pixels: NDArray[np.uint8], quality: int = QUALITY) -> str:
    """(H,W) as a WebP, (H,W,3) as a JPEG that keeps colors sharp, for an HTML page to hold itself."""
    image = Image.fromarray(pixels)
    if image.mode == "RGB":
        return encoded(image, "jpeg", quality=quality, subsampling=0, optimize=True)
    return encoded(image, "webp", quality=quality, method=4)


def encoded(image: Image.Image, kind: str, **options: Any) -> str:
    """A data: URI of an image in a format of Pillow's."""
    stream = io.BytesIO()
    image.save(stream, format=kind.upper(), **options)
    return pages.data_uri(stream.getvalue(), kind)


def _telling_channel(channels: tuple[str, ...]) -> int:
    """FLAIR, on which edema and infiltration are bright, or else the last."""
    return channels.index("flair") if "flair" in channels else len(channels) - 1


def _picture(
    image: NDArray[np.uint8], mask: NDArray[np.uint8] | None, label_values: tuple[int, ...]
) -> NDArray[np.uint8]:
    size = (PICTURE_PX, PICTURE_PX)
    grey = Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.LANCZOS)
    if mask is None:
        return np.array(grey)
    pixels = np.array(grey.convert("RGB"))
    labels = np.array(Image.fromarray(np.ascontiguousarray(mask)).resize(size, Image.Resampling.NEAREST))
    for index, value in enumerate(label_values):
        pixels[_outline(labels == value)] = label_color(index)
    return pixels


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline: NDArray[np.bool_] = mask & ~inner
    return outline
