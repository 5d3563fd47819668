from __future__ import annotations

import numpy as np
import torch

from glioray.evaluation.side import CaseKey, SideRows

EMPTY = np.zeros((16, 16), dtype=np.uint8)


def test_a_row_knows_its_patient_its_case_and_its_slice(make_segmentation):
    rows = SideRows.read(make_segmentation({"A-1": [EMPTY] * 2, "A-2": [EMPTY]}), "val")

    assert [(row.patient_id, row.case_id, row.slice_index) for row in rows.identity] == [
        ("valA", "valA-1", 0),
        ("valA", "valA-1", 1),
        ("valA", "valA-2", 0),
    ]


def test_spacing_is_that_of_each_case(make_segmentation):
    rows = SideRows.read(make_segmentation({"A": [EMPTY]}, spacing_mm=(5.0, 0.5, 0.25)), "test")

    assert rows.spacing_mm() == {CaseKey("testA", "testA"): (5.0, 0.5, 0.25)}


def test_without_spacing_there_is_none(make_segmentation):
    assert SideRows.read(make_segmentation({"A": [EMPTY]}), "test").spacing_mm() is None


def test_rows_are_picked_by_their_number(make_classification):
    rows = SideRows.read(make_classification([0, 1, 2, 0, 1, 2, 2]), "test")

    picked = rows.pick([5, 0, 4], batch_size=2)

    assert {row: int(tensors["label"]) for row, tensors in picked.items()} == {5: 2, 0: 0, 4: 1}
    assert torch.equal(picked[5]["image"][0, 0, 0], torch.tensor(20, dtype=torch.uint8))
