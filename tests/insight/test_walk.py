from __future__ import annotations

import io
import stat
import subprocess

import numpy as np
import pytest
from PIL import Image

from glioray.insight import walk
from glioray.insight.outlined import enlargement, outlined
from glioray.insight.walk import shown_slices, walk_gif, walk_mp4

LABELS = {"necrotic": 1, "edema": 2}
RED = (213, 94, 0)


def a_case(num: int = 5, size_px: int = 32) -> tuple[np.ndarray, np.ndarray]:
    grey = np.random.default_rng(0).integers(0, 255, (num, size_px, size_px)).astype(np.uint8)
    mask = np.zeros_like(grey)
    mask[:, 8:20, 8:20] = 1
    return grey, mask


def test_an_outline_is_in_the_color_of_its_label_and_only_at_its_edge():
    grey, mask = np.full((32, 32), 100, dtype=np.uint8), a_case()[1][0]

    picture = outlined(grey, mask, LABELS, times=2)

    assert picture.shape == (64, 64, 3)
    assert tuple(picture[16, 20]) == RED  # its first row
    assert tuple(picture[30, 30]) == (134, 98, 70)  # within: three tenths of the color
    assert tuple(picture[15, 20]) == (100, 100, 100)  # outside


def test_an_enlargement_is_a_whole_number():
    assert [enlargement((1, side, side), 256) for side in (64, 100, 512)] == [4, 3, 1]


def test_a_walk_shows_a_frame_a_slice():
    grey, mask = a_case()

    with Image.open(
        io.BytesIO(walk_gif(grey, {"truth": mask, "prediction": mask}, LABELS, "Research use only"))
    ) as gif:
        assert gif.n_frames == 5
        assert gif.width > 3 * 256


def test_a_frame_shows_its_own_masks():
    """The prediction is there and the truth is not, so that the two panels differ by the outline alone."""
    grey, mask = a_case()
    (frame, *_) = walk._frames(grey, {"truth": np.zeros_like(mask), "prediction": mask}, LABELS, "", 32)

    pixels = np.asarray(frame)[walk.HEAD_PX : walk.HEAD_PX + 32]
    truth, prediction = pixels[:, 36:68], pixels[:, 72:104]
    assert not (truth == RED).all(-1).any()
    assert (prediction == RED).all(-1).sum() == 4 * 12 - 4


def test_a_label_of_a_few_pixels_keeps_its_color():
    grey, mask = a_case()
    mask[:] = 0
    mask[:, 4, 4] = 1
    seven = {f"label {value}": value for value in range(1, 8)}

    with Image.open(io.BytesIO(walk_gif(grey, {"prediction": mask}, seven, ""))) as gif:
        picture = np.asarray(gif.convert("RGB"))[walk.HEAD_PX : walk.HEAD_PX + 288]

    assert (picture == RED).all(-1).sum() == 4 * 8  # the edge of one pixel, 9 times enlarged


def test_a_walk_grows_smaller_until_it_is_small_enough(monkeypatch):
    grey, mask = a_case(num=12, size_px=48)
    large = walk_gif(grey, {"prediction": mask}, LABELS, "")
    monkeypatch.setattr(walk, "MOST_GIF_BYTES", len(large) - 1)

    small = walk_gif(grey, {"prediction": mask}, LABELS, "")

    assert len(small) < len(large)


def test_slices_that_show_nothing_are_passed_over_and_many_are_thinned_out():
    grey = np.zeros((200, 16, 16), dtype=np.uint8)
    grey[20:180, 4, 4] = 9

    found = shown_slices(grey)

    assert (len(found), found[0], found[-1]) == (walk.MOST_FRAMES, 20, 179)
    assert shown_slices(grey[:3]) == [0, 1, 2]


def test_without_ffmpeg_there_is_no_film(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not walk_mp4(*_film(tmp_path))
    assert not (tmp_path / "walk.mp4").exists()


def test_ffmpeg_gets_every_pixel_of_every_frame(monkeypatch, tmp_path):
    """A program of its name writes what it is told, and how many bytes came."""
    told = _program(tmp_path, 'echo "$@" > "$(dirname "$0")/told"; wc -c >> "$(dirname "$0")/told"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert walk_mp4(*_film(tmp_path))

    words, num_bytes = told.read_text().splitlines()
    width, height = (int(side) for side in words.split("-s ")[1].split()[0].split("x"))
    assert width % 2 == height % 2 == 0
    assert int(num_bytes) == 5 * 3 * width * height


def test_a_film_that_fails_leaves_nothing(monkeypatch, tmp_path):
    _program(tmp_path, 'for last in "$@"; do :; done; echo half > "$last"; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert not walk_mp4(*_film(tmp_path))
    assert not (tmp_path / "walk.mp4").exists()


@pytest.fixture(autouse=True)
def _no_shell(monkeypatch):
    """A program is started by a list of words."""
    run = subprocess.run

    def checked(command, **settings):
        assert isinstance(command, list)
        assert not settings.get("shell")
        return run(command, **settings)

    monkeypatch.setattr(subprocess, "run", checked)


def _film(folder):
    grey, mask = a_case()
    return grey, {"prediction": mask}, LABELS, "Research use only", folder / "walk.mp4"


def _program(folder, script):
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder / "told"
