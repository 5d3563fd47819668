from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from glioray.data.page.scans import PICTURE_PX, draw_rows, iterate_pixels, label_color
from glioray.data.page.table import read_table
from glioray.data.prepare import PrepareOptions, prepare

SMALL = PrepareOptions(image_size=32, workers=1, val_fraction=0.25, test_fraction=0.25)


@pytest.fixture
def prepared(lgg_folder, tmp_path):
    return prepare("lgg", lgg_folder, tmp_path / "out", SMALL)


def test_a_label_is_outlined_and_its_inside_is_seen(prepared) -> None:
    table = read_table(prepared)
    row = int(np.flatnonzero(table.label_pixels[:, 0])[0])
    uri = draw_rows(prepared, table, [row])[row]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB")).astype(int)
    assert pixels.shape == (PICTURE_PX, PICTURE_PX, 3)
    top, middle = 8 * PICTURE_PX // 32, 12 * PICTURE_PX // 32
    assert np.abs(pixels[top, middle] - label_color(0)).max() < 40
    assert np.ptp(pixels[middle, middle]) < 12


def test_rows_are_found_in_every_part_and_hold_no_more_than_themselves(prepared) -> None:
    table = read_table(prepared)
    found = dict(iterate_pixels(prepared, table, [0, 23, 43]))
    assert sorted(found) == [0, 23, 43]
    assert all(pixels["image"].base is None for pixels in found.values())


def test_labels_have_colors_of_their_own() -> None:
    assert len({label_color(i) for i in range(6)}) == 6
    assert label_color(6) == label_color(0)
