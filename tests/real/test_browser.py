"""Real scans, dropped on the page in a real browser; what is shown is what the API says, and all of it stays here."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import nibabel
import numpy as np
import pytest
from tests.serving.browser import running, started
from tests.serving.conftest import LABELS, LocalModel, _bundle
from tests.serving.page import ANSWERED, BROWSER, needs_browser

from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents
from glioray.data.sources import kaggle_mri, lgg, raw_scans
from glioray.serving.api import create_api
from glioray.serving.guard import Guard, Rules
from glioray.serving.predictor import Predictor

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not REAL or not all((ROOT / name).is_dir() for name in ("kaggle_mri", "lgg")),
        reason="GLIORAY_REAL_DATA names no real scans",
    ),
    needs_browser,
]


@pytest.fixture
def models():
    """Of random weights, on the channels of the real data."""
    kinds = Contents(task="classification", channels=("grey",), classes=kaggle_mri.CLASSES, citation="a test")
    lesions = Contents(task="segmentation", channels=lgg.CHANNELS, labels=LABELS, citation="a test")
    networks = ({"name": "custom_cnn"}, {"name": "classic_unet", "base_filters": 2, "depth": 2})
    preprocessing = Preprocessing(image_size=80, crop_head=False, intensity="percentile")
    return [
        LocalModel(name, Predictor.load(_bundle(contents, network, preprocessing)))
        for name, contents, network in zip(("kinds", "lesions"), (kinds, lesions), networks, strict=True)
    ]


@pytest.fixture
def tab(models, tmp_path):
    with (
        running(Guard(create_api(models, 25_000_000), Rules())) as address,
        started(BROWSER, tmp_path / "profile") as browser,
        browser.tab(address) as tab,
    ):
        tab.address = address
        tab.wait("document.querySelector('#model').options.length === 2")
        yield tab
        assert tab.hosts() == {address.removeprefix("http://")}
        assert tab.complaints() == []


def nifti_files(folder):
    """The first patient of LGG as a NIfTI file for each channel, as a person would convert it."""
    scans = raw_scans(lgg, ROOT / "lgg")
    image = lgg.read(scans, lgg.find(scans).cases[0]).image  # (N, C, H, W)
    paths = [folder / f"patient_{name}.nii.gz" for name in lgg.CHANNELS]
    for index, path in enumerate(paths):
        nibabel.save(nibabel.Nifti1Image(image[:, index].T, np.diag([-1.0, -1.0, 5.0, 1.0])), path)
    return paths


def test_a_real_slice_and_then_a_real_patient_are_answered_as_by_the_api(tab, tmp_path) -> None:
    picture = next(iter(sorted((ROOT / "kaggle_mri").rglob("*.jpg"))))
    tab.drop("#drop", [picture])
    tab.wait(ANSWERED)

    expected = httpx.post(f"{tab.address}/v1/classify", content=picture.read_bytes()).json()
    assert tab.text("#answer").replace("no tumor", "notumor") == expected["label"]
    assert len(tab.texts(".row .fill")) == 4

    paths = nifti_files(tmp_path)
    tab.run("at('model').value = 'lesions@1'; state.files = null; chooseModel('lesions@1')")
    tab.drop("#stage", paths)
    tab.wait(f"{ANSWERED} && at('question').textContent === 'Labels found'")

    files = {name: path.read_bytes() for name, path in zip(lgg.CHANNELS, paths, strict=True)}
    volume = httpx.post(f"{tab.address}/v1/segment", files=files).json()
    amounts = [label["volume_ml"] for label in volume["labels"].values()]
    assert tab.texts("#rows .amount") == [f"{ml:.{2 if ml < 10 else 1}f} ml" for ml in amounts]
    assert tab.run("state.answer.slices.length") == volume["shape"][0] > 10
    tab.click("#more-box")
    tab.wait("document.querySelectorAll('canvas').length === 3")
    assert tab.texts("figcaption") == ["pre contrast", "flair", "post contrast"]
