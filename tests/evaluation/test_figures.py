from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from glioray.evaluation.figures import confusion_figure, dice_strip, probability_bars


def confusion() -> bytes:
    return confusion_figure([[5, 1], [0, 0]], ["glioma", "meningioma"])


DRAWN = {
    "confusion": confusion,
    "strip": lambda: dice_strip({"WT": np.array([0.1, np.nan, 0.9]), "ET": np.full(3, np.nan)}),
    "bars": lambda: probability_bars({"glioma": 0.9, "notumor": 0.1}, truth="notumor"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_a_png_with_something_on_it(name):
    image = Image.open(io.BytesIO(DRAWN[name]()))

    assert image.format == "PNG"
    assert len(image.convert("RGB").getcolors(maxcolors=2**24)) > 10


def test_the_same_figures_give_the_same_bytes_and_others_do_not():
    assert confusion() == confusion()
    assert confusion() != confusion_figure([[1, 5], [0, 0]], ["glioma", "meningioma"])


def test_threads_may_draw_at_the_same_time():
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: confusion(), range(4)))

    assert set(drawn) == {confusion()}
