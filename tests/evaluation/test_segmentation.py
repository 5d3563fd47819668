from __future__ import annotations

import numpy as np
import pytest

from glioray.evaluation.findings import Table
from glioray.evaluation.segmentation import _chosen_cases, _for_reading


@pytest.mark.parametrize(
    ("dice", "expected"),
    [
        ([0.5, 0.9, 0.1, 0.7], {"worst": 2, "median": 3, "best": 1}),
        (
            [0.5, 0.9, 0.1, 0.7, 0.2, 0.3],
            {"worst": 2, "second worst": 4, "third worst": 5, "median": 0, "second best": 3, "best": 1},
        ),
        ([np.nan, 0.9, 0.1], {"worst": 2, "best": 1}),
        ([0.3, np.nan], {"worst": 0}),
        ([np.nan], {}),
    ],
)
def test_the_cases_to_show_are_the_ends_and_the_middle(dice, expected):
    found = _chosen_cases(np.array(dice))

    assert (found, list(found)) == (expected, list(expected))


CASES = Table(
    ("patient_id", "case_id", "slices", "dice", "dice_WT", "iou", "hd95_mm", "hd95_mm_WT"),
    (("A", "A-1", 9, None, 1.0, 1.0, 0.0, 0.0), ("A", "A-2", 9, 0.51234, 0.5, 0.3, 12.34, 1.0)),
)


def test_the_table_to_read_has_the_worst_case_first_and_no_case_where_it_says_nothing():
    shown = _for_reading(CASES, "hd95_mm", has_several=False)

    assert shown.header == ("patient", "slices", "Dice, mean over labels", "Dice WT", "HD95 (mm), mean over labels")
    assert shown.rows == (("A", 9, "0.512", "0.500", "12.3"), ("A", 9, "–", "1.000", "0.0"))


def test_where_a_patient_has_several_cases_the_table_names_them():
    shown = _for_reading(CASES, "hd95_mm", has_several=True)

    assert shown.header[:3] == ("patient", "case", "slices")
    assert [row[1] for row in shown.rows] == ["A-2", "A-1"]
