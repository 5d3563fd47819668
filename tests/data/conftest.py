"""Tiny raw folders with pictures that look enough like heads."""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from glioray.data import prepare as prepare_module
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.shards import read_columns

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SMALL = PrepareOptions(image_size=32, workers=2, val_fraction=0.2, test_fraction=0.2)
VOLUMES = PrepareOptions(task="segmentation", image_size=32, workers=1)
SIDES = ("train", "val", "test")
DrawHead = Callable[..., NDArray[np.uint8]]


@pytest.fixture
def short_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of one line: what stands on it is not what is tested, and drawing it is most of the time."""
    monkeypatch.setattr(prepare_module, "write_page", write_short_page)


def write_short_page(dataset: PreparedDataset, *_: object, **__: object) -> None:
    """Of the same bytes for the same data."""
    (dataset.folder / "dataset.html").write_text(dataset.manifest.fingerprint)


@pytest.fixture
def little_room() -> Iterator[None]:
    """1 GB of addresses more than this process has now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    size_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


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


@pytest.fixture(scope="session")
def kaggle_scans(tmp_path_factory: pytest.TempPathFactory, draw_head: DrawHead) -> Path:
    """4 classes, 6 images each in Training and 2 in Testing, no copies; not to be changed."""
    root = tmp_path_factory.mktemp("kaggle") / "raw"
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
def kaggle_folder(tmp_path: Path, kaggle_scans: Path) -> Path:
    """A copy of `kaggle_scans` for the test alone."""
    return Path(shutil.copytree(kaggle_scans, tmp_path / "raw"))


@pytest.fixture(scope="session")
def lgg_scans(tmp_path_factory: pytest.TempPathFactory, draw_head: DrawHead) -> Path:
    """4 patients of 11 slices, whose names and numbers sort differently, the tumor in slice 10; not to be changed."""
    root = tmp_path_factory.mktemp("lgg") / "lgg"
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


@pytest.fixture
def lgg_folder(tmp_path: Path, lgg_scans: Path) -> Path:
    """A copy of `lgg_scans` for the test alone."""
    return Path(shutil.copytree(lgg_scans, tmp_path / "lgg"))


@pytest.fixture
def volume_folder(tmp_path: Path, draw_head: DrawHead) -> Path:
    """4 patients of 6 slices, 40 x 32 px of 3 x 2 mm, 5 mm apart, as the phantom writes them.

    Slice 2 shows 10 x 10 px of necrosis and slice 3 as much edema; patient n has n + 1 slices of enhancing after them.
    """
    root = tmp_path / "volumes_raw"
    for patient in range(4):
        name = f"PHANTOM_{patient:04d}"
        folder = root / "volumes" / name
        folder.mkdir(parents=True)
        head = np.stack([draw_head(1000 + 10 * patient + z, 40, 32) for z in range(6)]).astype(np.int16)
        mask = np.zeros_like(head)
        for z, value in zip(range(2, min(5 + patient, 6)), (1, 2, 4, 4), strict=False):
            mask[z, 15:25, 5:15] = value
        for number, channel in enumerate(("t1", "t1ce", "t2", "flair", "seg")):
            voxels = (mask if channel == "seg" else head * (number + 2)).transpose(2, 1, 0)[::-1, ::-1]
            nibabel.save(nibabel.Nifti1Image(voxels, np.diag([2, 3, 5, 1])), folder / f"{name}_{channel}.nii.gz")
    (root / "PHANTOM.json").write_text(json.dumps({"synthetic": True}))
    return root


def bytes_of(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def with_(options, **changes):
    return PrepareOptions.model_validate(options.model_dump() | changes)


def columns_of(dataset, *names):
    """Of all parts, one after the other."""
    parts = [read_columns(dataset.folder, dataset.manifest, part, names) for part in dataset.manifest.parts]
    return [[value for part in parts for value in part[name]] for name in names]


def assert_refused(expected, raw, out, said, source="kaggle_mri", options=SMALL):
    """One line, nothing in place of what was there, and beside it at most what the next run goes on from."""
    before = bytes_of(out)
    with pytest.raises(expected, match=said) as raised:
        prepare(source, raw, out, options)
    assert "\n" not in str(raised.value)
    assert bytes_of(out) == before
    work = out.with_name(f".{out.name}.partial")
    assert not work.exists() or any(path.is_file() and path.name != "lock" for path in work.rglob("*"))


def zipped(folder: Path, archive: Path, wrap: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, wrap + path.relative_to(folder).as_posix())
    return archive
