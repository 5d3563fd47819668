from __future__ import annotations

import numpy as np
import pytest
import torch

from glioray.evaluation.pool import Pool
from glioray.evaluation.side import Row, SideRows

EMPTY = np.zeros((16, 16), dtype=np.uint8)


@pytest.fixture
def two_sides(make_segmentation):
    """Val, then test: a patient with two cases, and one with one."""
    dataset = make_segmentation({"A-1": [EMPTY] * 2, "A-2": [EMPTY], "B": [EMPTY]})
    return Pool((SideRows.read(dataset, "val"), SideRows.read(dataset, "test")))


def test_without_patients_the_units_are_groups(make_classification):
    pool = Pool((SideRows.read(make_classification([0, 1, 2, 0, 1]), "test"),))

    assert (pool.unit, pool.units) == ("groups", ("test-g000", "test-g001", "test-g002"))
    assert pool.unit_index.tolist() == [0, 0, 1, 1, 2]


def test_where_some_rows_name_no_patient_the_units_are_groups(make_classification):
    identity = (Row("a.png", "g1", "p1", "a", 0), Row("b.png", "g2", None, "b", 0))

    pool = Pool((SideRows(make_classification([0]), "test", identity),))

    assert (pool.unit, pool.units) == ("groups", ("g1", "g2"))


def test_units_of_two_sides_stand_in_one_list(two_sides):
    assert (two_sides.unit, two_sides.units) == ("patients", ("testA", "testB", "valA", "valB"))
    assert two_sides.unit_index.tolist() == [2, 2, 2, 3, 0, 0, 0, 1]
    assert two_sides.starts == (0, 4)


def test_two_scans_of_a_patient_are_two_cases_of_one_unit(two_sides):
    assert [key.case_id for key in two_sides.cases] == ["testA-1", "testA-2", "testB", "valA-1", "valA-2", "valB"]
    assert two_sides.unit_of_case.tolist() == [0, 0, 1, 2, 2, 3]
    assert two_sides.case_index.tolist() == [3, 3, 4, 5, 0, 0, 1, 2]


def test_rows_of_two_sides_are_picked_in_the_order_asked_for(make_classification):
    dataset = make_classification([0, 1, 2, 1])
    pool = Pool((SideRows.read(dataset, "val"), SideRows.read(dataset, "test")))

    assert torch.equal(pool.pick([6, 1, 4], batch_size=3)["label"], torch.tensor([2, 1, 0]))
