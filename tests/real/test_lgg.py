"""On the real scans that GLIORAY_REAL_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import load_side
from glioray.data.sources import lgg, raw_scans

REAL = os.environ.get("GLIORAY_REAL_DATA")
ROOT = Path(REAL or ".") / "lgg"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL or not ROOT.is_dir(), reason="GLIORAY_REAL_DATA names no real scans"),
]


def test_patients_stand_on_one_side_and_no_slice_is_lost(tmp_path) -> None:
    dataset = prepare("lgg", ROOT, tmp_path / "out", PrepareOptions(limit=8))
    dataset.verify(hashes=True)
    cases = [case for case in lgg.find(raw_scans(lgg, ROOT)).cases if case.patient_id in dataset.split.patients]
    rows = sum(counts.rows for counts in dataset.manifest.sides.values())
    assert rows == sum(len(case.files) // 2 for case in cases)
    assert set(dataset.patients("train")).isdisjoint(dataset.patients("test"))


def test_masks_keep_their_share_of_the_picture(tmp_path) -> None:
    """Nearest-neighbor sampling must neither shrink nor grow a lesion."""
    dataset = prepare("lgg", ROOT, tmp_path / "out", PrepareOptions(limit=4))
    scans = raw_scans(lgg, ROOT)
    by_name = {case.patient_id: case for case in lgg.find(scans).cases}
    for side in ("train", "val", "test"):
        masks = load_side(dataset.folder, dataset.manifest, side)["mask"].numpy()
        raw = [lgg.read(scans, by_name[patient]).mask for patient in dataset.patients(side)]
        assert masks.mean() == pytest.approx(np.concatenate(raw).mean(), rel=0.02)
