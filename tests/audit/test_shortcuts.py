from __future__ import annotations

import numpy as np
import pytest

from glioray.audit.pictures import MARGINS, Picture, Pictures, margins
from glioray.audit.shortcuts import measure_shortcuts
from glioray.data.progress import silent


@pytest.fixture(autouse=True)
def few_trees(monkeypatch) -> None:
    monkeypatch.setattr("glioray.audit.shortcuts.TREES", 8)


def make(labels, widths):
    """Pictures of which only the width tells anything."""
    level = dict.fromkeys(MARGINS, 0.1)
    rows = [
        Picture(
            str(i), label, None, None, None, str(i), {"width": width, "height": 9.0, "aspect": width / 9} | level, level
        )
        for i, (label, width) in enumerate(zip(labels, widths, strict=True))
    ]
    return Pictures("test", rows, np.zeros((2, len(rows), 1024), np.float32), (), (), lambda wanted: {})


def groups_of(count, size=1):
    return tuple(f"g{i // size}" for i in range(count))


def test_a_size_that_gives_the_class_away_is_found_and_cropping_takes_it() -> None:
    labels = ["a", "b"] * 30
    found = measure_shortcuts(
        make(labels, [512.0 if label == "a" else 300.0 for label in labels]), groups_of(60), 0, silent
    )
    by_name = {(one.name, one.when): one.accuracy.value for one in found.found}
    assert by_name["size and margins", "before"] == 1
    assert by_name["size", "before"] == 1
    assert by_name["the margins that are left", "after"] <= 0.6


def test_copies_do_not_help_since_folds_keep_groups_together() -> None:
    """Each group of six has a size of its own and a class at random: only its copies could tell."""
    labels = [("a", "b")[int(x)] for x in np.random.default_rng(0).integers(0, 2, 40)]
    many = [label for label in labels for _ in range(6)]
    widths = [float(100 + 37 * (i // 6 * 7 % 40)) for i in range(240)]
    found = measure_shortcuts(make(many, widths), groups_of(240, 6), 0, silent)
    size = next(one for one in found.found if one.name == "size")
    assert size.accuracy.value < 0.7
    assert size.accuracy.units == 40
    leaky = measure_shortcuts(make(many, widths), groups_of(240), 0, silent)
    assert next(one for one in leaky.found if one.name == "size").accuracy.value > 0.9


@pytest.mark.parametrize(
    ("labels", "reason"), [(["a"] * 20, "1 class: there is nothing"), (["a"] * 20 + ["b"] * 4, "only 4 groups, 5")]
)
def test_what_cannot_be_measured_says_why(labels, reason) -> None:
    found = measure_shortcuts(make(labels, [9.0] * len(labels)), groups_of(len(labels)), 0, silent)
    assert reason in str(found.not_measured)
    assert found.found == ()


def test_margins_are_shares_of_the_height_and_width_at_each_side() -> None:
    image = np.zeros((10, 20), np.uint8)
    image[1:8, 4:19] = 200
    image[0, 0] = 5  # noise of the file format
    assert margins(image) == dict(zip(MARGINS, (0.1, 0.2, 0.2, 0.05), strict=True))


def test_a_black_picture_is_all_margin() -> None:
    assert margins(np.zeros((4, 4), np.uint8)) == dict.fromkeys(MARGINS, 1.0)
