"""A folder of drawn heads in which every kind of copy is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from glioray.audit.copies import find
from glioray.audit.folder import read_folder
from glioray.audit.pictures import Picture, Pictures
from glioray.audit.result import Copies
from glioray.audit.summary import summarize
from glioray.data.duplicates import copy_views, thumbnails
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.progress import silent

Head = NDArray[np.uint8]


@pytest.fixture(scope="session")
def head() -> Callable[[int], Head]:
    """(64, 64) an ellipse of coarse random texture on black; another seed, another brain."""

    def draw(seed: int) -> Head:
        texture = np.random.default_rng(seed).uniform(0.4, 1, (8, 8)).astype(np.float32)
        tissue = np.asarray(Image.fromarray(texture).resize((64, 64), Image.Resampling.NEAREST))
        rows, columns = np.mgrid[:64, :64]
        inside = ((rows - 32) / 26) ** 2 + ((columns - 32) / 20) ** 2 < 1
        return (tissue * inside * 220).astype(np.uint8)

    return draw


@pytest.fixture
def audited(leaky_folder: Path) -> Copies:
    """What is found in `leaky_folder`."""
    pictures = read_folder(leaky_folder, silent)
    return summarize(pictures, find(pictures, 0, silent))


@pytest.fixture(scope="session")
def leaky_folder(head: Callable[[int], Head], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight heads in Training/a; in Testing/a six copies, each of another kind, in b one mislabeled and a new one."""
    root = tmp_path_factory.mktemp("leaky") / "scans"
    for name in ("Training/a", "Testing/a", "Testing/b"):
        (root / name).mkdir(parents=True)
    for seed in range(8):
        Image.fromarray(head(seed)).save(root / f"Training/a/{seed}.png")
    (root / "Testing/a/0-file.png").write_bytes((root / "Training/a/0.png").read_bytes())
    Image.fromarray(head(1)).save(root / "Testing/a/1-pixels.bmp")
    Image.fromarray(head(2) // 2).save(root / "Testing/a/2-near.png")
    Image.fromarray(head(3)[:, ::-1]).save(root / "Testing/a/3-mirrored.png")
    Image.fromarray(np.rot90(head(4))).save(root / "Testing/a/4-turned.png")
    gamma = (255 * (head(5) / 255.0) ** 2.2).round().astype(np.uint8)
    Image.fromarray(gamma).save(root / "Testing/a/5-contrast.png")
    Image.fromarray(head(6)).save(root / "Testing/b/6-mislabeled.png", compress_level=1)
    Image.fromarray(head(99)).save(root / "Testing/b/99-new.png")
    (root / "Testing/a/broken.jpg").write_bytes(b"no picture")
    (root / "Testing/a/notes.txt").write_text("not a picture by its name")
    return root


@pytest.fixture(scope="session")
def make() -> Callable[..., Pictures]:
    """Pictures of drawn heads with one value a row for each field named; slices of volumes where `is_volumes`."""

    def build(heads: list[Head], is_volumes: bool = False, **columns: list) -> Pictures:
        plain = dict.fromkeys(("label", "side", "patient", "file_hash")) | {"before": {}, "after": {}}
        rows = [
            Picture(
                **(
                    plain
                    | {"name": f"{i}", "pixel_hash": f"{i}"}
                    | {name: values[i] for name, values in columns.items()}
                )
            )
            for i in range(len(heads))
        ]
        views = thumbnails(np.stack(heads))[None] if is_volumes else copy_views(np.stack(heads))
        return Pictures("test", rows, views, (), (), lambda wanted: {}, is_volumes)

    return build


@pytest.fixture(scope="session")
def prepare_patients(
    head: Callable[[int], Head], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], PreparedDataset]:
    """Of each of eight patients, whose names hold an @, one picture in Training and another in Testing."""
    root = tmp_path_factory.mktemp("patients")
    lines = ["file,patient"]
    for seed in range(16):
        name = f"{('Training', 'Testing')[seed // 8]}/{'ab'[seed % 2]}/{seed}.png"
        (root / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(head(seed)).save(root / "scans" / name)
        lines.append(f"{name},case@{seed % 8}")
    (root / "patients.csv").write_text("\n".join(lines))

    def with_split(split: str) -> PreparedDataset:
        options = PrepareOptions(
            split=split,
            image_size=80,
            val_fraction=0.2,
            test_fraction=0.4,
            source_options={"patients": str(root / "patients.csv")},
            workers=1,
        )
        return prepare("image_folder", root / "scans", root / split, options)

    return with_split
