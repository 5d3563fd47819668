"""Sheets of slices, each as the bytes of a PNG: scans on black, labels in colors that the color-blind tell apart.

Shapes: N slices, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from glioray.evaluation.figures import png_bytes
from glioray.serving.drawing import colors_of, overlay

BLACK, TEXT, FAINT = "#0c0f12", "#eef2f5", "#9aa7b2"
_TILE_INCHES = 1.9

Pixels = NDArray[np.uint8]


def scan_sheet(images: Sequence[Pixels], captions: Sequence[str], columns: int = 4) -> bytes:
    """Gray slices (S,S) in rows, each with its caption below."""
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(columns * _TILE_INCHES, rows * (_TILE_INCHES + 0.45)))
    figure.set_facecolor(BLACK)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(images) :]:
        axes.set_axis_off()
    for axes, image, caption in zip(grid, images, captions, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        bare(axes, below=caption)
    return png_bytes(figure)


def segmentation_sheet(
    images: Pixels, truths: Pixels | None, predictions: Pixels, labels: dict[str, int], captions: Sequence[str]
) -> bytes:
    """A row a slice: the input, the truth where it is known, the prediction.

    Args:
        images: (N,S,S) gray slices.
        truths: (N,S,S) label maps, or none.
        predictions: (N,S,S) label maps.
        labels: value of each label in the maps; regions that overlap are no labels.
        captions: beside each row.
    """
    columns = [("input", None), ("truth", truths), ("prediction", predictions)]
    shown = [(name, maps) for name, maps in columns if name != "truth" or maps is not None]
    size = (len(shown) * _TILE_INCHES + 0.3, len(images) * _TILE_INCHES + 0.7)
    figure = Figure(figsize=size)
    figure.set_facecolor(BLACK)
    grid = figure.subplots(len(images), len(shown), squeeze=False)
    for row, image in enumerate(images):
        for column, (name, maps) in enumerate(shown):
            axes = grid[row, column]
            axes.imshow(overlay(image, maps[row] if maps is not None else np.zeros_like(image), labels))
            bare(axes, title=name if row == 0 else "", side=captions[row] if column == 0 else "")
    name_colors(figure, labels)
    return png_bytes(figure)


def name_colors(figure: Figure, labels: dict[str, int]) -> None:
    """Which color is which label, below all pictures."""
    patches = [Patch(color=color, label=name) for name, color in colors_of(labels).items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False, labelcolor=TEXT, fontsize=8)


def bare(axes: Axes, title: str = "", side: str = "", below: str = "") -> None:
    """Axes of a picture: no ticks and no box, with words above, beside and below."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=9, color=FAINT)
    axes.set_ylabel(side, fontsize=8, color=TEXT)
    axes.set_xlabel(below, fontsize=8, color=TEXT)
