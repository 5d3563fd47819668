"""Volumes, surfaces and places, counted by hand on cubes and balls."""

from __future__ import annotations

import math

import numpy as np
import pytest

from glioray.data.records import Contents
from glioray.survival.features import Box, Parts, measure, surface_mm2

BRATS = Contents(
    task="segmentation",
    channels=("flair",),
    labels={"necrotic": 1, "edema": 2, "enhancing": 4},
    regions={"WT": ("necrotic", "edema", "enhancing"), "TC": ("necrotic", "enhancing"), "ET": ("enhancing",)},
    citation="toy",
)
PARTS = Parts.of(BRATS)
BRAIN = Box((0, 0, 0), (20, 20, 20))


def blank() -> np.ndarray:
    return np.zeros((20, 20, 20), dtype=np.uint8)


def ball(radius: float) -> np.ndarray:
    size = int(2 * radius) + 5
    places = np.indices((size, size, size)) - (size - 1) / 2
    return (places**2).sum(axis=0) <= radius**2


def test_parts_are_the_regions_and_the_labels_that_are_none() -> None:
    assert dict(PARTS.values) == {"necrotic": (1,), "edema": (2,), "WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}
    assert PARTS.whole == "WT"


def test_labels_that_no_region_holds_are_a_tumor_together() -> None:
    two = BRATS.model_copy(update={"labels": {"cyst": 1, "solid": 2}, "regions": {}})
    assert dict(Parts.of(two).values) == {"cyst": (1,), "solid": (2,), "tumor": (1, 2)}


def test_volumes_are_voxels_times_their_size() -> None:
    mask = blank()
    mask[0:10, 0:10, 0:10] = 2  # 1000 voxels of 6 mm3
    mask[0:5, 0:5, 0:4] = 4  # 100 of them
    mask[5, 0, 0] = 1
    found = measure(mask, (3.0, 2.0, 1.0), BRAIN, PARTS)
    assert found["WT_ml"] == pytest.approx(6.0)
    assert found["ET_ml"] == pytest.approx(0.6)
    assert found["TC_ml"] == pytest.approx(0.606)
    assert found["edema_share"] == pytest.approx(0.899)
    assert found["TC_share"] == pytest.approx(0.101)


def test_extent_and_place_of_a_cube_are_in_mm_and_of_the_brain() -> None:
    mask = blank()
    mask[2:4, 5:15, 0:4] = 2
    found = measure(mask, (5.0, 1.0, 2.0), Box((0, 0, 0), (10, 20, 16)), PARTS)
    assert (found["height_mm"], found["depth_mm"], found["width_mm"]) == (10.0, 10.0, 8.0)
    assert (found["up"], found["back"], found["left"]) == (0.3, 0.5, 0.125)
    assert found["midline_mm"] == pytest.approx((8 - 2) * 2.0)


def test_both_sides_are_as_far_from_the_midline() -> None:
    mask = blank()
    mask[5, 5, 2:4] = 2
    one, other = (measure(side, (1.0, 1.0, 1.0), BRAIN, PARTS) for side in (mask, mask[:, :, ::-1]))
    assert one["midline_mm"] == pytest.approx(other["midline_mm"]) == 7.0
    assert one["left"] == pytest.approx(1 - other["left"])


def test_surface_of_a_cube_lacks_its_edges() -> None:
    cube = np.ones((10, 10, 10), dtype=bool)
    # Six faces of 9 x 9, twelve beveled edges of 9 x sqrt(1/2), eight triangles of side sqrt(1/2).
    expected = 6 * 81 + 12 * 9 * math.sqrt(0.5) + 8 * math.sqrt(3) / 4 * 0.5
    assert surface_mm2(cube, (1.0, 1.0, 1.0)) == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(0.94 * 600, rel=0.01)


def test_surface_grows_with_the_square_of_the_spacing() -> None:
    part = ball(6)
    assert surface_mm2(part, (2.0, 2.0, 2.0)) == pytest.approx(4 * surface_mm2(part, (1.0, 1.0, 1.0)), rel=1e-5)


def test_surface_of_a_ball_is_a_tenth_too_large() -> None:
    assert surface_mm2(ball(10), (1.0, 1.0, 1.0)) == pytest.approx(1.09 * 4 * math.pi * 100, rel=0.02)


def test_pieces_below_a_tenth_of_a_milliliter_do_not_count() -> None:
    mask = blank()
    mask[0:5, 0:5, 0:5] = 2  # 125 mm3
    mask[10:14, 10:15, 10:15] = 1  # 100 mm3
    mask[18, 18, 18] = 4
    assert measure(mask, (1.0, 1.0, 1.0), BRAIN, PARTS)["pieces"] == 2


def test_parts_that_touch_at_a_corner_are_one_piece() -> None:
    mask = blank()
    mask[0:5, 0:5, 0:5] = 2
    mask[5:10, 5:10, 5:10] = 1
    assert measure(mask, (1.0, 1.0, 1.0), BRAIN, PARTS)["pieces"] == 1


def test_an_empty_mask_has_no_share_and_no_place() -> None:
    found = measure(blank(), (1.0, 1.0, 1.0), BRAIN, PARTS)
    assert found["WT_ml"] == found["WT_surface_mm2"] == found["height_mm"] == found["pieces"] == 0
    assert all(math.isnan(found[name]) for name in ("ET_share", "up", "back", "left", "midline_mm"))


def test_a_box_around_nothing_is_none() -> None:
    assert Box.around(blank() > 0) is None
    assert Box((0, 5, 2), (1, 6, 3)).joined(Box((3, 1, 2), (4, 2, 8))) == Box((0, 1, 2), (4, 6, 8))
