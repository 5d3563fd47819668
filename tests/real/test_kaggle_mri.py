"""On the real scans that GLIORAY_REAL_DATA names; a spread of them, so that it stays quick."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import load_side
from glioray.data.shards import read_columns
from glioray.data.sources import kaggle_mri, raw_scans

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".") / "kaggle_mri"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not ROOT.is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]
SIDES = ("train", "val", "test")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return prepare("kaggle_mri", ROOT, tmp_path_factory.mktemp("kaggle") / "out", PrepareOptions(limit=1200))


def thumbnails_of_files(sources):
    """(N, 32, 32) unit vectors straight from the files, by another way than the package's."""
    images = [Image.open(ROOT / source).convert("L").resize((32, 32), Image.Resampling.BICUBIC) for source in sources]
    flat = np.stack([np.asarray(image, dtype=np.float64).ravel() for image in images])
    flat -= flat.mean(axis=1, keepdims=True)
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).reshape(-1, 32, 32)


def test_no_test_image_has_a_copy_in_training_or_val(dataset) -> None:
    sources = {side: read_columns(dataset.folder, dataset.manifest, side, ["source"])["source"] for side in SIDES}
    test = thumbnails_of_files(sources["test"])
    others = thumbnails_of_files(sources["train"] + sources["val"]).reshape(-1, 1024)
    for mirror in (test, test[:, ::-1], test[:, :, ::-1], test[:, ::-1, ::-1]):
        assert (mirror.reshape(-1, 1024) @ others.T).max() < 0.995


def test_heads_fill_their_pictures_whatever_the_class(dataset) -> None:
    """Margins must not give the class away: the head of every class is about as large."""
    columns = read_columns(dataset.folder, dataset.manifest, "train", ["label", "brain_fraction"])
    labels, fractions = np.array(columns["label"]), np.array(columns["brain_fraction"])
    medians = [np.median(fractions[labels == label]) for label in range(4)]
    assert min(medians) > 0.4
    assert max(medians) < 0.9


def test_every_file_is_readable_whatever_its_mode() -> None:
    scans = raw_scans(kaggle_mri, ROOT)
    cases = kaggle_mri.find(scans).cases[::10]
    assert all(kaggle_mri.read(scans, case).image.dtype == np.uint8 for case in cases)


def test_the_published_split_leaks_and_says_so(tmp_path) -> None:
    options = PrepareOptions(limit=1200, split="published", image_size=64)
    dataset = prepare("kaggle_mri", ROOT, tmp_path / "out", options)
    assert dataset.manifest.leak.with_copy_in_training > 0
    assert load_side(dataset.folder, dataset.manifest, "test")["label"].unique().tolist() == [0, 1, 2, 3]
