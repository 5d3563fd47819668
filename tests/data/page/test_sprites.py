from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from glioray.data.page.sprites import grey_sheet, head_window, label_sheet


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_the_window_is_the_head_of_all_frames_with_a_margin() -> None:
    images = np.zeros((2, 3, 64, 64), dtype=np.uint8)
    images[0, :, 20:30, 25:40] = 200
    images[1, :, 28:40, 25:40] = 200
    assert head_window(images) == (slice(17, 43), slice(22, 43))


def test_black_frames_are_shown_whole() -> None:
    assert head_window(np.zeros((1, 2, 32, 32), dtype=np.uint8)) == (slice(0, 32), slice(0, 32))


def test_frames_stand_in_lines() -> None:
    frames = np.zeros((3, 16, 16), dtype=np.uint8)
    frames[1] = 255
    sheet = np.asarray(opened(grey_sheet(frames, (slice(0, 16), slice(0, 8)), columns=2)).convert("L"))
    assert sheet.shape == (32, 16)
    assert sheet[4, 12] > 240
    assert sheet[4, 3] < 15
    assert sheet[20, 3] < 15


def test_a_label_is_clear_where_it_is_not() -> None:
    masks = np.zeros((1, 16, 16), dtype=bool)
    masks[0, 4:8, 4:8] = True
    pixels = np.asarray(opened(label_sheet(masks, (slice(0, 16), slice(0, 16)), 1, (10, 20, 30))).convert("RGBA"))
    assert pixels[5, 5].tolist() == [10, 20, 30, 255]
    assert pixels[0, 0, 3] == 0


def test_a_large_head_is_made_smaller() -> None:
    sheet = opened(grey_sheet(np.zeros((1, 512, 512), dtype=np.uint8), (slice(0, 512), slice(0, 256)), 1))
    assert sheet.size == (88, 176)
