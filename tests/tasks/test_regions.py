from __future__ import annotations

import pytest
import torch

from glioray.data.sources._brats import LABELS, REGIONS
from glioray.errors import RecipeError
from glioray.tasks.regions import innermost, nested


def test_each_region_of_brats_adds_one_label_to_the_next_smaller():
    assert nested(LABELS, REGIONS) == {"WT": "edema", "TC": "necrotic", "ET": "enhancing"}


def test_regions_may_come_in_any_order():
    shuffled = {name: REGIONS[name] for name in ("ET", "WT", "TC")}

    assert list(nested(LABELS, shuffled)) == ["WT", "TC", "ET"]


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ({}, "the data have none, only labels .a, b, c."),
        ({"x": ("a", "b"), "y": ("c",)}, "'x' .a, b. does not hold 'y' .c. and more"),
        ({"x": ("a", "b"), "y": ("b", "a")}, "'x' .a, b. does not hold 'y' .b, a. and more"),
        ({"x": ("a", "b"), "y": ("a",)}, "the label 'c' is in none of them"),
        ({"x": ("a", "b", "c"), "y": ("a",)}, "'x' adds b, c, which it cannot tell apart"),
        ({"x": ("a", "b", "c"), "y": ("a", "b")}, "'y' adds a, b, which it cannot tell apart"),
    ],
)
def test_regions_that_labels_cannot_be_told_from_are_refused(regions, words):
    with pytest.raises(RecipeError, match=f"{words}: take `loss.target: labels`"):
        nested({"a": 1, "b": 2, "c": 3}, regions)


def test_a_pixel_has_the_label_of_its_innermost_region():
    # Columns: nothing, edema, core, enhancing, enhancing that the outer outputs deny.
    is_inside = torch.tensor([[0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]], dtype=torch.bool)

    label_map = innermost(is_inside[None, :, None], LABELS, REGIONS)

    assert label_map.tolist() == [[[0, LABELS["edema"], LABELS["necrotic"], LABELS["enhancing"], LABELS["enhancing"]]]]
    assert label_map.dtype == torch.uint8


def test_the_order_of_the_outputs_is_that_of_the_regions():
    shuffled = {name: REGIONS[name] for name in ("ET", "WT", "TC")}
    is_inside = torch.tensor([0, 1, 0], dtype=torch.bool).view(1, 3, 1, 1)

    assert innermost(is_inside, LABELS, shuffled).item() == LABELS["edema"]
