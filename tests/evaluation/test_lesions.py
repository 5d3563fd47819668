from __future__ import annotations

import numpy as np
import pytest

from glioray.evaluation.lesions import count_lesions, lesion_scores, lesion_section
from glioray.evaluation.scoring import Circumstances

SHAPE = (6, 20, 20)
PATIENTS = Circumstances("test, split by group", 2, "patients", seed=0)


def boxes(*corners: tuple[int, int, int], size: tuple[int, int, int] = (2, 3, 3)) -> np.ndarray:
    """Boxes of 18 voxels."""
    mask = np.zeros(SHAPE, dtype=bool)
    for corner in corners:
        mask[tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))] = True
    return mask


A, B, C = (0, 2, 2), (3, 12, 12), (0, 12, 2)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (boxes(A, B), boxes(A, B), [2, 0, 0]),
        (boxes(A, C), boxes(A, B), [1, 1, 1]),
        (boxes(), boxes(A, B), [0, 2, 0]),
        (boxes(A, C), boxes(), [0, 0, 2]),
        (boxes(), boxes(), [0, 0, 0]),
    ],
)
def test_lesions_are_found_missed_and_made_up(predicted, truth, expected):
    assert count_lesions(predicted, truth, None).tolist() == expected


def test_one_shared_voxel_finds_a_lesion():
    assert count_lesions(boxes((1, 4, 4)), boxes(A), None).tolist() == [1, 0, 0]
    assert count_lesions(boxes((2, 4, 4)), boxes(A), None).tolist() == [0, 1, 1]


def test_slices_and_corners_hang_together():
    by_corner = boxes((0, 2, 2), (2, 5, 5))  # the last voxel of one and the first of the other touch at a corner

    assert count_lesions(boxes(), by_corner, None).tolist() == [0, 1, 0]
    assert count_lesions(boxes(), boxes((0, 2, 2), (3, 5, 5)), None).tolist() == [0, 2, 0]


def test_two_parts_on_one_lesion_count_once_and_one_part_across_two_finds_both():
    wide = boxes(A, size=(2, 3, 16))
    two = boxes((0, 2, 2), (0, 2, 14))

    assert count_lesions(two, wide, None).tolist() == [1, 0, 0]
    assert count_lesions(wide, two, None).tolist() == [2, 0, 0]


def test_specks_are_not_counted_but_find_and_are_found():
    speck = boxes(A, size=(1, 3, 3))  # 9 voxels

    assert count_lesions(speck, boxes(B), None).tolist() == [0, 1, 0]
    assert count_lesions(boxes(B), speck, None).tolist() == [0, 0, 1]
    assert count_lesions(speck, boxes(A), None).tolist() == [1, 0, 0]
    assert count_lesions(boxes(A), speck, None).tolist() == [0, 0, 0]


def test_where_the_voxel_is_known_the_smallest_lesion_is_a_volume():
    lesion = boxes(A)  # 18 voxels

    assert count_lesions(lesion, boxes(), 0.05 / 18).tolist() == [0, 0, 1]
    assert count_lesions(lesion, boxes(), 0.05 / 19).tolist() == [0, 0, 0]


# Label a: the first patient has 3 found, 1 missed, 2 false on two scans; the second 1 false on one. Label b: none.
COUNTS = np.array([[[3, 1, 2], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]]])


def test_lesions_of_all_patients_are_counted_together():
    scores = lesion_scores(("a", "b"), COUNTS, np.array([2, 1]), PATIENTS)

    assert {score.name: score.value for score in scores.defined} == pytest.approx(
        {
            "lesion_recall/a": 3 / 4,
            "lesion_precision/a": 3 / 6,
            "lesion_f1/a": 2 * 3 / (2 * 3 + 1 + 3),
            "false_lesions/a": 3 / 3,
            "false_lesions/b": 0,
        }
    )
    assert scores.undefined == ("lesion_recall/b", "lesion_precision/b", "lesion_f1/b")


def test_a_figure_is_over_the_patients_who_have_its_lesions_and_one_patient_has_no_interval():
    found = {score.name: score for score in lesion_scores(("a", "b"), COUNTS, np.array([2, 1]), PATIENTS).defined}

    assert (found["lesion_recall/a"].units, found["lesion_precision/a"].units) == (1, 2)
    assert found["lesion_recall/a"].low is None
    assert found["lesion_precision/a"].low is not None


def test_the_section_states_its_smallest_lesion_in_the_unit_it_has():
    scores = lesion_scores(("a", "b"), COUNTS, np.array([2, 1]), PATIENTS)

    in_ml, in_px = (lesion_section(("a", "b"), COUNTS, scores, is_in_ml) for is_in_ml in (True, False))

    assert "under 0.05 ml" in in_ml.text
    assert "under 10 px" in in_px.text
    assert in_ml.table.rows[0][:5] == ("a", 3, 1, 3, "0.750")
