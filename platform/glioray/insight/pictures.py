"""Sheets of maps and kernels, each as the bytes of a PNG, on black.

Shapes: C channels, h x w cells, H x W pixels, k x k weights, L layers.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from glioray.evaluation.figures import png_bytes
from glioray.evaluation.pictures import BLACK, bare
from glioray.explain.kernels import strongest
from glioray.serving.drawing import heat_overlay

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
INCHES = 1.25
MOST_KERNELS, KERNELS_A_ROW = 64, 16
CHANNELS = 8


def heat_sheet(grey: Pixels, heats: Mapping[str, Floats], columns: int = 5) -> bytes:
    """The image (H,W), then each heat map (H,W) in 0..1 over it, with its name."""
    pictures = [grey, *(heat_overlay(grey, heat) for heat in heats.values())]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = _black(columns * 1.6, rows * 1.85)
    for place, (picture, title) in enumerate(zip(pictures, ("the image", *heats), strict=True)):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        bare(axes, title=title)
    return png_bytes(figure)


def kernel_sheet(kernels: Tensor, channels: Sequence[str]) -> bytes:
    """(out,in,k,k): those with the largest weights, a row of pictures a channel; red adds, blue takes away, white is 0.

    Args:
        kernels: of a convolution.
        channels: what goes in, by name; of a depthwise convolution, each kernel is of one of them.
    """
    weights = kernels.numpy()
    order = np.argsort(-np.abs(weights).reshape(len(weights), -1).max(1), kind="stable")[:MOST_KERNELS]
    if weights.shape[1] == 1:
        lines = [order[start : start + KERNELS_A_ROW] for start in range(0, len(order), KERNELS_A_ROW)]
        cells = [[weights[number, 0] for number in line] for line in lines]
        names = [""] * len(cells)
    else:
        cells = [[weights[number, channel] for number in order[:KERNELS_A_ROW]] for channel in range(weights.shape[1])]
        names = list(channels)
    figure = _black(max(map(len, cells)) * 0.62 + 0.4, len(cells) * 0.62)
    grid = figure.subplots(len(cells), max(map(len, cells)), squeeze=False)
    highest = np.abs(weights[order]).max()
    for axes in grid.ravel():
        axes.set_axis_off()
    for row, line in enumerate(cells):
        for column, kernel in enumerate(line):
            axes = grid[row, column]
            axes.set_axis_on()
            axes.imshow(kernel, cmap="RdBu_r", vmin=-highest, vmax=highest)
            bare(axes, side=names[row] if column == 0 else "")
    return png_bytes(figure)


def feature_sheet(maps: Mapping[str, Tensor]) -> bytes:
    """Of each block (C,h,w) the channels that differ most from place to place, a row a block, each on its own scale."""
    figure = _black(CHANNELS * INCHES, len(maps) * (INCHES + 0.12))
    grid = figure.subplots(len(maps), CHANNELS, squeeze=False)
    for row, (name, values) in enumerate(maps.items()):
        chosen = strongest(values, CHANNELS)
        for axes in grid[row, len(chosen) :]:
            axes.set_axis_off()
        for column, channel in enumerate(chosen):
            axes = grid[row, column]
            axes.imshow(values[channel].numpy(), cmap="gray")
            side = f"{name}\n{len(values)} of {values.shape[1]} px" if column == 0 else ""
            bare(axes, title=f"{channel}", side=side)
    return _grey(png_bytes(figure))


def gate_sheet(grey: Pixels, gates: Mapping[str, Floats], captions: Mapping[str, str]) -> bytes:
    """Each gate (H,W) in 0..1 over the image, then by itself from 0 to 1, then on a scale of its own.

    Args:
        grey: (H,W).
        gates: by the name of the column.
        captions: below each column.
    """
    rows = ("over the image", "from 0 to 1", "on its own scale")
    figure = _black(len(gates) * 1.9 + 0.3, len(rows) * 1.9 + 0.5)
    grid = figure.subplots(len(rows), len(gates), squeeze=False)
    for column, (name, gate) in enumerate(gates.items()):
        grid[0, column].imshow(heat_overlay(grey, gate))
        grid[1, column].imshow(gate, cmap="gray", vmin=0, vmax=1)
        grid[2, column].imshow(gate, cmap="gray")
        for row, side in enumerate(rows):
            below = captions[name] if row == len(rows) - 1 else ""
            bare(grid[row, column], name if row == 0 else "", side if column == 0 else "", below)
    return png_bytes(figure)


def _grey(png: bytes) -> bytes:
    """The same picture without colors that it does not have, a third as large."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("L").save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _black(width_inches: float, height_inches: float) -> Figure:
    figure = Figure(figsize=(width_inches, height_inches))
    figure.set_facecolor(BLACK)
    return figure
