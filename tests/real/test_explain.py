"""Looking inside models at the real scans that GLIORAY_REAL_DATA names."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glioray.data.sources import brats_nifti, raw_scans
from glioray.insight import classifier, segmenter, walk
from glioray.insight.reading import read_subjects
from glioray.serving.predictor import Predictor

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not (ROOT / "brats").is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]


def test_a_brats_case_is_walked_through_with_its_own_mask(bundle_of, volumes, tmp_path, monkeypatch) -> None:
    """155 slices of 240 px in a film that a page can hold."""
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 30)
    predictor = Predictor.load(bundle_of(volumes, {"name": "attention_unet", "base_filters": 2, "depth": 2}))
    scans = raw_scans(brats_nifti, ROOT / "brats")
    (case,) = brats_nifti.find(scans).cases

    (subject,) = read_subjects(predictor, [case.files[0].parent], [])
    section = segmenter.look(predictor, subject, "01", tmp_path, "Research use only")

    np.testing.assert_array_equal(subject.mask, brats_nifti.read(scans, case).mask)
    moving = next(picture.content for picture in section.pictures if picture.name == "01-walk.gif")
    assert len(moving) <= walk.MOST_GIF_BYTES
    with Image.open(io.BytesIO(moving)) as gif:
        assert gif.n_frames == walk.MOST_FRAMES
    assert section.facts["slice"] == np.count_nonzero(subject.mask, axis=(1, 2)).argmax()


def test_a_slice_of_every_class_is_explained(bundle_of, slices, monkeypatch) -> None:
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 30)
    predictor = Predictor.load(bundle_of(slices, {"name": "custom_cnn"}))
    kinds = sorted(path.name for path in (ROOT / "kaggle_mri" / "Testing").iterdir())
    files = [sorted((ROOT / "kaggle_mri" / "Testing" / kind).iterdir())[0] for kind in kinds]

    sections = [classifier.look(predictor, one, "01") for one in read_subjects(predictor, files, kinds)]

    assert [section.facts["truth"] for section in sections] == kinds
    assert all(len(section.facts["gradcam_peaks"]) == 4 for section in sections)
