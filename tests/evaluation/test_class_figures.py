from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from glioray.evaluation.class_figures import Panel, class_figure, confidence_figure, reliability_figure, roc_figure

NOTHING = (math.nan, math.nan, math.nan)
BARS = {"recall": [(0.5, 0.4, 0.6), NOTHING], "F1": [(0.9, math.nan, math.nan), (0.2, 0.1, 0.3)]}
TRUTH, SAID = [0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]]


def panel(values, low=0.0, high=1.0) -> Panel:
    return Panel("how sure", np.array(values, dtype=float), low, high)


DRAWN = {
    "bars": lambda: class_figure(BARS, ["glioma", "notumor"]),
    "curves": lambda: roc_figure(TRUTH, SAID, ["glioma", "notumor"]),
    "curves of one class alone": lambda: roc_figure([0, 0], SAID[:2], ["glioma", "notumor"]),
    "confidence": lambda: confidence_figure([panel([0.9, 0.4, 1.0]), panel([-3, 8, 2], -3, 8)], [True, False, True]),
    "confidence of a model that is never wrong": lambda: confidence_figure([panel([0.9])], [True]),
    "confidence of equal logits": lambda: confidence_figure([panel([2, 2], 2, 2)], [True, False]),
    "reliability": lambda: reliability_figure([0.2, np.nan], [0.5, np.nan], [4, 0]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_a_png_with_something_on_it(name):
    image = Image.open(io.BytesIO(DRAWN[name]()))

    assert image.format == "PNG"
    assert len(image.convert("RGB").getcolors(maxcolors=2**24)) > 10


def test_each_class_has_the_curve_of_its_own_probability():
    of_one_changed = [[first, 1 - second] for first, second in SAID]

    assert roc_figure(TRUTH, SAID, ["a", "b"]) != roc_figure(TRUTH, of_one_changed, ["a", "b"])
