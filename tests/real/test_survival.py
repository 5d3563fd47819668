"""The table of BraTS 2020, and the mask of a real scan."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from glioray.survival.features import Parts, measure
from glioray.survival.honest import HonestModels
from glioray.survival.patients import cohort, read_table
from glioray.survival.raw import masks, opened

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("GLIORAY_REAL_DATA" not in os.environ, reason="GLIORAY_REAL_DATA names the real scans"),
]
DATA = Path(os.environ.get("GLIORAY_REAL_DATA", "."))


def test_the_table_of_brats_has_235_deaths_and_one_who_lived() -> None:
    table = read_table(DATA / "csv" / "survival_info.csv")
    found = cohort(table.patients, table.remarks)
    assert (len(found.patients), found.has_died.sum(), found.is_gtr.sum()) == (236, 235, 119)
    (alive,) = (patient for patient in found.patients if not patient.has_died)
    assert (alive.patient_id, alive.days) == ("BraTS20_Training_084", 361)


def test_a_real_mask_is_measured_in_the_brain() -> None:
    scans = opened(DATA / "brats")
    (one,) = masks(scans.place, {"BraTS2021_00006"}, HonestModels(), lambda *_: None)
    found = measure(one.true, one.spacing_mm, one.brain, Parts.of(scans.contents))
    assert found["WT_ml"] == pytest.approx(np.count_nonzero(one.true) / 1000)
    assert found["WT_ml"] > found["TC_ml"] >= found["ET_ml"] > 0
    assert all(0 < found[name] < 1 for name in ("up", "back", "left"))
    assert 100 < (one.brain.high[1] - one.brain.low[1]) < 240
