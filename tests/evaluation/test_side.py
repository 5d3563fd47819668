from __future__ import annotations

import numpy as np
import torch

from glioray.evaluation.side import SideRows


def test_without_patients_the_units_are_groups(make_classification):
    rows = SideRows.read(make_classification([0, 1, 2, 0, 1]), "test")

    assert rows.unit == "groups"
    assert rows.units == ("test-g000", "test-g001", "test-g002")
    assert rows.unit_index.tolist() == [0, 0, 1, 1, 2]


def test_with_patients_the_units_are_patients(make_segmentation):
    mask = np.zeros((16, 16), dtype=np.uint8)
    rows = SideRows.read(make_segmentation({"A": [mask] * 2, "B": [mask]}), "val")

    assert (rows.unit, rows.units) == ("patients", ("valA", "valB"))
    assert rows.unit_index.tolist() == [0, 0, 1]
    assert [identity[3] for identity in rows.identity] == [0, 1, 0]


def test_rows_are_picked_in_the_order_asked_for(make_classification):
    rows = SideRows.read(make_classification([0, 1, 2, 0, 1, 2, 2]), "test")

    picked = rows.pick([5, 0, 4], batch_size=2)

    assert picked["label"].tolist() == [2, 0, 1]
    assert torch.equal(picked["image"][:, 0, 0, 0], torch.tensor([20, 0, 10], dtype=torch.uint8))


def test_where_some_rows_name_no_patient_the_units_are_groups(make_classification):
    identity = (("a.png", "g1", "p1", 0), ("b.png", "g2", None, 0))

    rows = SideRows(make_classification([0]), "test", identity)

    assert (rows.unit, rows.units) == ("groups", ("g1", "g2"))
