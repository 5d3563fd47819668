from __future__ import annotations

import numpy as np
import pytest
import torch

from glioray.errors import DataError
from glioray.evaluation.outlines import CaseBook, Outlined, Outlines, joined, require_known, slice_pixels
from glioray.evaluation.side import CaseKey, SideRows
from glioray.tasks.segmentation import Segmentation

TASK = Segmentation({"necrotic": 1, "enhancing": 4}, {"TC": ("necrotic", "enhancing")}, num_patients=1)
EMPTY = np.zeros((16, 16), dtype=np.uint8)


def disc(value: int, top: int, left: int, size: int = 4) -> np.ndarray:
    mask = EMPTY.copy()
    mask[top : top + size, left : left + size] = value
    return mask


@pytest.fixture
def closed(make_segmentation):
    """`closed(volumes, predicted, ...)`: the cases of a test side, by their name."""

    def run(volumes, predicted, spacing_mm=None) -> dict[str, Outlined]:
        rows = SideRows.read(make_segmentation(volumes, spacing_mm=spacing_mm), "test")
        book = CaseBook.of(TASK, rows)
        truth = np.stack([mask for _, masks in sorted(volumes.items()) for mask in masks])
        for start in range(0, len(truth), 2):
            book.add(np.stack(predicted)[start : start + 2], truth[start : start + 2])
        assert not book._open
        return {key.case_id: case for key, case in book.done.items()}

    return run


def test_pixels_are_counted_slice_by_slice():
    task = Segmentation({"a": 1, "b": 2}, {"all": ("a", "b")}, num_patients=1)
    predicted = torch.tensor([[[1, 1]], [[0, 2]]], dtype=torch.uint8)
    batch = {"mask": torch.tensor([[[1, 2]], [[0, 0]]], dtype=torch.uint8), "patient_index": torch.tensor([90, 91])}

    pixels = slice_pixels(task, predicted, batch)

    assert pixels.tolist() == [[[1, 1, 0], [0, 0, 1], [2, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 1, 0]]]


def test_with_spacing_a_case_is_measured_as_a_volume_in_mm(closed):
    # The same disc on slices 0 to 2, predicted on 2 to 4: 2 slices of 5 mm apart at its ends.
    shown = [disc(1, 4, 4)] * 3
    found = closed({"A": [*shown, EMPTY, EMPTY]}, [EMPTY, EMPTY, *shown], (5.0, 0.5, 0.5))

    assert found["testA"].hd95.tolist() == pytest.approx([10.0, np.nan, 10.0], nan_ok=True)


def test_a_shift_within_a_slice_is_measured_by_the_spacing_of_rows_and_columns(closed):
    found = closed({"A": [disc(4, 4, 4)]}, [disc(4, 4, 7)], (5.0, 0.5, 2.0))

    assert found["testA"].hd95.tolist() == pytest.approx([np.nan, 6.0, 6.0], nan_ok=True)


def test_without_spacing_it_is_the_mean_over_slices_that_show_both_in_px(closed):
    truth = [disc(1, 4, 4), disc(1, 4, 4), disc(1, 4, 4), EMPTY]
    found = closed({"A": truth}, [disc(1, 4, 5), disc(1, 4, 8), EMPTY, disc(1, 0, 0)])

    assert found["testA"].hd95[0] == (1 + 4) / 2


def test_a_region_is_measured_as_a_whole(closed):
    # The labels change places: each is 4 px off, the region they make up is not.
    found = closed({"A": [disc(1, 4, 4) + disc(4, 4, 8)]}, [disc(4, 4, 4) + disc(1, 4, 8)])

    assert found["testA"].hd95.tolist() == [4.0, 4.0, 0.0]


def test_cases_of_one_patient_are_measured_apart(closed):
    found = closed({"A-1": [disc(1, 4, 4)], "A-2": [disc(1, 4, 4)]}, [disc(1, 4, 4), disc(1, 4, 7)], (1.0, 1.0, 1.0))

    assert {name: case.hd95[0] for name, case in found.items()} == {"testA-1": 0.0, "testA-2": 3.0}


def test_the_slice_to_show_has_the_most_tumor_of_its_case(closed):
    truth = [disc(1, 4, 4, 2), disc(1, 4, 4, 3), EMPTY]
    found = closed({"A": truth, "B": [disc(1, 0, 0)]}, [EMPTY, disc(4, 0, 0), disc(1, 0, 0, 9), EMPTY])

    assert (found["testA"].widest_row, found["testB"].widest_row) == (1, 3)
    assert np.array_equal(found["testA"].widest_prediction, disc(4, 0, 0))


def test_a_case_without_tumor_is_shown_where_most_was_predicted(closed):
    found = closed({"A": [EMPTY] * 3}, [disc(1, 4, 4, 2), disc(1, 4, 4, 5), EMPTY])

    assert found["testA"].widest_row == 1


def test_lesions_are_counted_through_slices(closed):
    truth = [disc(1, 4, 4), disc(1, 4, 4), EMPTY, disc(1, 4, 4), disc(4, 8, 8)]
    found = closed({"A": truth}, [disc(1, 6, 6), *[EMPTY] * 3, disc(4, 0, 0)], (9.0,) * 3)["testA"]

    # Necrotic: found on slices 0 and 1, missed on 3; enhancing: missed, made up; as TC the missed ones hang together.
    assert found.lesions.tolist() == [[1, 1, 0], [0, 1, 1], [1, 1, 1]]
    assert found.voxel_ml == pytest.approx(0.729)


def test_lesions_need_no_spacing(closed):
    found = closed({"A": [disc(1, 4, 4), EMPTY]}, [disc(1, 4, 4), EMPTY])["testA"]

    assert (found.lesions.tolist(), found.voxel_ml) == ([[1, 0, 0], [0, 0, 0], [1, 0, 0]], None)


def test_a_mask_that_holds_no_label_is_refused_by_name_and_value(make_segmentation):
    rows = SideRows.read(make_segmentation({"A": [EMPTY] * 3}), "test")
    require_known(TASK, np.stack([disc(4, 1, 1), disc(1, 1, 1)]), rows, 0)

    with pytest.raises(DataError, match=r"mask of 'A/2.tif' holds 7, which is no label"):
        require_known(TASK, np.stack([EMPTY, disc(7, 1, 1)]), rows, 1)


def test_memory_holds_boxes_of_open_cases_alone(make_segmentation):
    volumes = {"A": [disc(1, 4, 4), EMPTY], "B": [disc(1, 4, 4)] * 2}
    book = CaseBook.of(TASK, SideRows.read(make_segmentation(volumes), "test"))

    book.add(np.stack([disc(1, 4, 5), EMPTY, EMPTY]), np.stack([disc(1, 4, 4), EMPTY, disc(1, 4, 4)]))

    (left,) = book._open.items()
    assert left[0] == CaseKey("testB", "testB")
    assert [piece.truth.shape for piece in left[1].pieces] == [(4, 4)]


def test_sides_are_joined_with_their_rows_numbered_through():
    parts = [
        Outlines(
            torch.full((rows, 1, 3), float(rows)),
            {CaseKey("g", name): Outlined(np.ones(1), 1, EMPTY, np.zeros((1, 3)))},
            True,
        )
        for rows, name in ((2, "A"), (3, "B"))
    ]

    both = joined(parts, (0, 2))

    assert both.pixels[:, 0, 0].tolist() == [2, 2, 3, 3, 3]
    assert [case.widest_row for case in both.cases.values()] == [1, 3]
    assert (both.is_in_mm, both.distance) == (True, "hd95_mm")
