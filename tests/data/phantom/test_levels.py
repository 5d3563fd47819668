from __future__ import annotations

import pytest

from glioray.data.phantom.grid import PlaneGrid, centered_mm
from glioray.data.phantom.levels import level_mm, survey
from glioray.data.phantom.patient import draw_patient, look
from glioray.data.phantom.tumor import Kind


@pytest.mark.parametrize("index", [0, 1, 3, 4, 5, 7])
def test_every_level_of_a_tumor_kind_cuts_the_tumor(index: int) -> None:
    patient = draw_patient(seed=3, index=index)
    levels_mm = [level_mm(n) for n in survey(patient, num_levels=6).slice_numbers]

    parts = look(patient, PlaneGrid(centered_mm(100, 2, 0), centered_mm(120, 2, 0), levels_mm)).parts

    assert parts is not None
    assert ((parts.necrotic + parts.enhancing) > 0.5).sum(axis=(0, 1)).min() >= 10


@pytest.mark.parametrize("index", range(12))
def test_slice_numbers_are_distinct_even_when_many_are_asked_for(index: int) -> None:
    numbers = survey(draw_patient(seed=1, index=index), num_levels=16).slice_numbers

    assert len(set(numbers)) == 16
    assert min(numbers) > 0


def test_notumor_shows_the_levels_of_every_other_kind_in_turn() -> None:
    patients = [draw_patient(seed=0, index=index) for index in (2, 6, 10)]

    assert [patient.kind for patient in patients] == [Kind.NOTUMOR] * 3
    assert {patient.tumor.kind for patient in patients} == set(Kind) - {Kind.NOTUMOR}
    assert all(survey(patient, num_levels=2).volume_ml == {} for patient in patients)
