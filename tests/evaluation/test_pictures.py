from __future__ import annotations

import io

import numpy as np
from PIL import Image

from glioray.evaluation.pictures import scan_sheet, segmentation_sheet
from glioray.serving.drawing import OPACITY, colors_of


def colors_in(png: bytes) -> set[tuple[int, int, int]]:
    return {color for _, color in Image.open(io.BytesIO(png)).convert("RGB").getcolors(maxcolors=2**24)}


def blended(label: str, labels: dict[str, int], gray: int) -> tuple[int, ...]:
    color = colors_of(labels)[label]
    return tuple(round((1 - OPACITY) * gray + OPACITY * int(color[i : i + 2], 16)) for i in (1, 3, 5))


def is_near(color: tuple[int, ...], colors: set[tuple[int, int, int]]) -> bool:
    return any(max(abs(a - b) for a, b in zip(color, other, strict=True)) <= 2 for other in colors)


def test_a_sheet_shows_the_labels_of_truth_and_prediction():
    labels = {"necrotic": 1, "enhancing": 4}
    images = np.full((1, 16, 16), 100, dtype=np.uint8)
    truth, prediction = np.full_like(images, 1), np.full_like(images, 4)

    colors = colors_in(segmentation_sheet(images, truth, prediction, labels, ["P1"]))

    assert is_near(blended("necrotic", labels, 100), colors)
    assert is_near(blended("enhancing", labels, 100), colors)
    assert is_near((100, 100, 100), colors)


def test_a_sheet_without_truth_has_two_columns():
    images = np.zeros((1, 16, 16), dtype=np.uint8)

    with_truth, without = (
        Image.open(io.BytesIO(segmentation_sheet(images, truth, images, {"a": 1}, ["P1"]))).width
        for truth in (images, None)
    )

    assert without < 0.8 * with_truth


def test_a_sheet_of_scans_has_a_row_for_every_four():
    images = [np.zeros((16, 16), dtype=np.uint8)] * 5

    heights = [Image.open(io.BytesIO(scan_sheet(images[:n], ["x"] * n))).height for n in (4, 5)]

    assert heights[1] > 1.7 * heights[0]
