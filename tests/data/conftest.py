"""Tiny raw folders with pictures that look enough like heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
DrawHead = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="session")
def draw_head() -> DrawHead:
    """(H, W) an ellipse of coarse random texture on black; another seed, another brain."""

    def draw(seed: int, height: int = 64, width: int = 64, brightest: int = 220) -> NDArray[np.uint8]:
        texture = np.random.default_rng(seed).uniform(0.4, 1, (8, 8)).astype(np.float32)
        tissue = np.asarray(Image.fromarray(texture).resize((width, height), Image.Resampling.NEAREST))
        rows, columns = np.mgrid[:height, :width]
        inside = ((rows - height / 2) / (height * 0.4)) ** 2 + ((columns - width / 2) / (width * 0.3)) ** 2 < 1
        return (tissue * inside * brightest).astype(np.uint8)

    return draw


@pytest.fixture
def kaggle_folder(tmp_path: Path, draw_head: DrawHead) -> Path:
    """4 classes, 6 images each in Training and 2 in Testing, no copies."""
    root = tmp_path / "raw"
    seed = 0
    for side, count in (("Training", 6), ("Testing", 2)):
        for name in CLASSES:
            folder = root / side / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(draw_head(seed)).save(folder / f"{side}_{number}.jpg", format="PNG")
                seed += 1
    return root


@pytest.fixture
def lgg_folder(tmp_path: Path, draw_head: DrawHead) -> Path:
    """4 patients of 11 slices (so that names and numbers sort differently), the tumour in slice 10."""
    root = tmp_path / "lgg"
    for patient in range(4):
        folder = root / "kaggle_3m" / f"P{patient}"
        folder.mkdir(parents=True)
        for number in range(1, 12):
            head = draw_head(100 * patient + number, 32, 32)
            mask = np.zeros_like(head)
            mask[8:16, 8:16] = 255 if number == 10 else 0
            Image.fromarray(np.stack([head, head // 2, head // 3], axis=2)).save(folder / f"P{patient}_{number}.tif")
            Image.fromarray(mask).save(folder / f"P{patient}_{number}_mask.tif")
    return root
