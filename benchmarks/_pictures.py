"""Pictures that are no brain MRI: those of two libraries, text, digits, noise, shapes, and heads as CT has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
import skimage.io
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Grey = NDArray[np.uint8]
CROPPED = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg", "china.jpg", "flower.jpg")
SIDE_PX = 256


def pictures() -> dict[str, Grey]:
    """Each (H,W) by its name, always the same."""
    random = np.random.default_rng(0)
    found = dict(_photographs())
    for name in CROPPED:
        height, width = found[name].shape
        found[f"middle of {name}"] = found[name][height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    digits = sklearn.datasets.load_digits().images[:4]
    found |= {
        f"digit {n}": np.kron(digit * (255 / 16), np.ones((16, 16))).astype(np.uint8) for n, digit in enumerate(digits)
    }
    found |= {f"noise {n}": random.integers(0, 256, (SIDE_PX, SIDE_PX)).astype(np.uint8) for n in range(5)}
    found |= {f"text {n}": _text(random, is_white_on_black=n > 1, is_upside_down=n % 2 == 1) for n in range(4)}
    found |= {f"clouds {scale}": _clouds(random, scale) for scale in (2, 8, 20)}
    found |= {f"head as CT has it {n}": _ct(random, 0.6 + 0.06 * n) for n in range(3)}
    found |= {f"all {grey}": np.full((SIDE_PX, SIDE_PX), grey, dtype=np.uint8) for grey in (0, 120, 255)}
    rows, columns = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    found["ramp"] = ((columns + 1) * 127).astype(np.uint8)
    found["disk"] = (np.hypot(rows, columns) < 0.8).astype(np.uint8) * 180
    found["photograph in a disk"] = found["camera.png"][::2, ::2] * (np.hypot(rows, columns) < 0.85).astype(np.uint8)
    return found


def _photographs() -> Iterator[tuple[str, Grey]]:
    for path in sorted(Path(skimage.data.__file__).parent.glob("*.[jp][pn]g")):
        yield path.name, _grey(skimage.io.imread(path))
    for name in ("china.jpg", "flower.jpg"):
        yield name, _grey(sklearn.datasets.load_sample_image(name))


def _grey(pixels: NDArray[np.generic]) -> Grey:
    values = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    return np.asarray(Image.fromarray(values[..., :3] if values.ndim == 3 else values).convert("L"))


def _text(random: np.random.Generator, is_white_on_black: bool, is_upside_down: bool) -> Grey:
    page = Image.new("L", (400, 500), 255)
    draw = ImageDraw.Draw(page)
    for line in range(30):
        words = (
            "".join(chr(97 + letter) for letter in random.integers(0, 26, random.integers(2, 9))) for _ in range(9)
        )
        draw.text((20, 15 * line + 20), " ".join(words), fill=0)
    pixels = np.asarray(page.rotate(180 if is_upside_down else 0))
    return 255 - pixels if is_white_on_black else pixels


def _clouds(random: np.random.Generator, scale: int) -> Grey:
    side = SIDE_PX // scale
    small = Image.fromarray(random.integers(0, 256, (side, side)).astype(np.uint8))
    return np.asarray(small.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))


def _ct(random: np.random.Generator, width: float) -> Grey:
    """A bright ring of bone around an even brain with darker ventricles, and little noise."""
    rows, columns = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    radius = (columns / width) ** 2 + (rows / 0.8) ** 2
    pixels = np.select([radius < 0.78, radius < 0.93, radius < 1], [95.0, 255.0, 40.0])
    pixels[(columns / 0.12) ** 2 + ((rows + 0.05) / 0.25) ** 2 < 1] = 70
    return np.clip(pixels + random.normal(0, 4, pixels.shape) * (radius < 1), 0, 255).astype(np.uint8)
