from __future__ import annotations

import pytest

from glioray.data.page.patients import areas_across, find_patients


def test_a_volume_is_pixels_times_the_spacing(make_table) -> None:
    table = make_table(["A", "A"], label_pixels=[[100, 10], [50, 0]], spacing_mm=(5.0, 2.0, 1.0))
    patients = find_patients(table)
    assert patients.unit == "ml"
    assert patients.patients[0].amounts == pytest.approx([1.5, 0.1])


def test_amounts_are_pixels_where_one_spacing_is_unknown(make_table) -> None:
    table = make_table(["A", "B"], label_pixels=[[100], [50]], spacing_mm=(5.0, 2.0, 1.0))
    table.spacing_mm[1, 0] = float("nan")
    patients = find_patients(table)
    assert patients.unit == "pixels"
    assert [patient.amount for patient in patients.patients] == [100, 50]


def test_patients_stand_by_part_and_then_by_size(make_table) -> None:
    table = make_table(["A", "B", "C"], parts=["train", "train", "val"], label_pixels=[[1], [7], [3]])
    assert [patient.name for patient in find_patients(table).patients] == ["B", "A", "C"]


def test_the_slices_of_a_patient_stand_from_the_lowest_up(make_table) -> None:
    table = make_table(["A"] * 3, slices=[9, 2, 5], label_pixels=[[0], [0], [1]])
    assert find_patients(table).patients[0].rows == (1, 2, 0)


def test_rows_without_a_patient_make_no_patients(make_table) -> None:
    assert find_patients(make_table([None, None], labels=[0, 1])).patients == ()


def test_a_stack_is_stretched_and_a_slice_that_is_not_there_is_empty(make_table) -> None:
    table = make_table(["A"] * 5, slices=[0, 1, 2, 3, 9], label_pixels=[[0], [4], [0], [2], [8]])
    areas = areas_across(table, find_patients(table).patients[0], width=10)
    assert areas.tolist() == [0, 4, 0, 2, 2, 0, 0, 0, 8, 8]
