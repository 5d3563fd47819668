from __future__ import annotations

import numpy as np
import pytest

from glioray.data.page.patients import Patient, Patients
from glioray.data.page.table import read_table
from glioray.data.page.texts import amount_table, count_table, setting_rows, size_table
from glioray.data.prepare import PrepareOptions, prepare

SMALL = PrepareOptions(task="segmentation", image_size=32, workers=1, val_fraction=0.25, test_fraction=0.25)


@pytest.fixture
def volumes(volume_folder, tmp_path):
    return prepare("phantom", volume_folder, tmp_path / "out", SMALL)


def test_counts_are_summed_over_the_parts(volumes) -> None:
    rows = {row[0]: row[1:] for row in count_table(volumes.manifest).rows}
    assert rows["slices"] == ("12", "6", "6", "24")
    assert rows["patients"] == ("2", "1", "1", "4")
    assert "groups" not in rows


def test_a_region_is_the_sum_of_its_labels(volumes) -> None:
    patients = Patients((Patient("A", "train", (0,), np.array([1.0, 20.0, 4.0])),), "ml")
    rows = {(row[0], row[1]): row[2:] for row in amount_table(patients, volumes.manifest).rows}
    assert rows["WT", "train"] == ("1 of 1", "25", "25", "25")
    assert rows["TC", "train"] == ("1 of 1", "5", "5", "5")
    assert rows["", "val"] == ("0 of 0", "none", "", "")


def test_raw_and_prepared_spacing_stand_side_by_side(volumes) -> None:
    rows = {row[0]: row[1:] for row in size_table(read_table(volumes), volumes.manifest).rows}
    assert rows["raw, slice to slice, mm"] == ("5", "5", "5")
    assert rows["raw, row to row, mm"] == ("3", "3", "3")
    assert rows["slices of a patient"] == ("6", "6", "6")


def test_settings_are_listed_flat(volumes) -> None:
    rows = dict(setting_rows(volumes.manifest))
    assert rows["preprocessing.image_size"] == "32"
    assert rows["folds"] == "none"
