from __future__ import annotations

import numpy as np
import pytest

from glioray.data.head import head_mask
from glioray.data.preprocessing import Preprocessing, prepare_volume

CROP = Preprocessing(image_size=64, crop_head=True, intensity="percentile")


def crop(image):
    """(top, left, side) of the frame of one grey picture."""
    frame = prepare_volume(image[None, None], CROP).frame
    return frame.top, frame.left, frame.side


def placed(head, top, left, height=256, width=256):
    """The head on black, away from the middle."""
    canvas = np.zeros((height, width), np.uint8)
    canvas[top : top + head.shape[0], left : left + head.shape[1]] = head
    return canvas


def assert_around(frame, expected, tolerance=8):
    assert np.abs(np.subtract(frame, expected)).max() <= tolerance, (frame, expected)


@pytest.fixture
def head(draw_head):
    """128 x 96; the ellipse is 102 high and 58 wide."""
    return draw_head(1, 128, 96)


def test_the_frame_is_the_square_around_the_head(head) -> None:
    assert_around(crop(placed(head, 20, 100)), (33, 97, 102))


def test_a_dark_head_is_cropped_like_a_bright_one(head, draw_head) -> None:
    dark = draw_head(1, 128, 96, brightest=30)
    assert_around(crop(placed(dark, 20, 100)), crop(placed(head, 20, 100)), 2)


def test_the_dark_side_of_a_head_belongs_to_it(head) -> None:
    """As under a surface coil, or a dark brain beside bright fat."""
    shaded = head.copy()
    shaded[:64] //= 4
    assert_around(crop(placed(shaded, 20, 100)), (33, 97, 102))


def test_a_white_frame_around_the_picture_does_not_count(head) -> None:
    framed = np.pad(placed(head, 40, 80), 12, constant_values=255)
    assert_around(crop(framed), (65, 89, 102))


def test_letters_and_a_scale_bar_do_not_count(head) -> None:
    picture = placed(head, 60, 80)
    picture[4:14, 4:6] = picture[4:6, 4:12] = picture[230:234, 10:40] = 255
    assert_around(crop(picture), (73, 77, 102))


def test_a_grey_noisy_background_does_not_count(head) -> None:
    noise = np.random.default_rng(0).normal(25, 3, (256, 256)).clip(0, 255).astype(np.uint8)
    assert_around(crop(np.maximum(placed(head, 20, 100), noise)), (33, 97, 102))


def test_a_scalp_behind_dark_bone_belongs_to_the_head() -> None:
    rows, columns = np.mgrid[:256, :256]
    radius = np.hypot(rows - 128, columns - 128)
    picture = ((radius < 70) * 150 + ((radius > 84) & (radius < 92)) * 250).astype(np.uint8)
    assert_around(crop(picture), (36, 36, 184), 6)


def test_an_empty_picture_keeps_its_whole_frame() -> None:
    assert crop(np.zeros((100, 80), np.uint8)) == (0, -10, 100)


def test_a_head_that_fills_the_picture_is_kept_whole() -> None:
    bright = np.random.default_rng(0).integers(100, 255, (90, 90), dtype=np.uint8)
    assert crop(bright) == (0, 0, 90)


def test_an_empty_slice_of_a_volume_has_no_head(head) -> None:
    noise = np.random.default_rng(0).integers(0, 6, head.shape, dtype=np.uint8)
    mask = head_mask(np.stack([head, noise])[:, None])
    assert mask[0].mean() > 0.3
    assert not mask[1].any()


def test_the_scale_of_the_numbers_does_not_matter(head) -> None:
    raw = head[None, None].astype(np.float64)
    assert np.array_equal(head_mask(raw), head_mask(raw * 1e5 - 700))


def test_the_mask_has_no_holes() -> None:
    ring = np.zeros((64, 64), np.uint8)
    ring[10:50, 10:50] = 200
    ring[25:35, 25:35] = 0
    assert head_mask(ring[None, None])[0, 30, 30]
