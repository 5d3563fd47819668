"""Tumors stand where their kind occurs, and are made of the parts that it has."""

from __future__ import annotations

import numpy as np
import pytest

from glioray.data.phantom import atlas
from glioray.data.phantom.grid import PlaneGrid, centered_mm
from glioray.data.phantom.growth import EDEMA, ENHANCING, NECROTIC, displace
from glioray.data.phantom.patient import View, draw_patient, look

GRID = PlaneGrid(centered_mm(60, 3.5, 0), centered_mm(70, 3.5, 0), centered_mm(48, 3.5, 0))
SEEDS = (0, 1, 2, 3)
SELLA_MM = (0, 4, -32)  # in MNI space: midline, below the chiasm


def view_of(index: int, seed: int) -> View:
    return look(draw_patient(seed, index), GRID)


def labels_of(view: View) -> np.ndarray:
    assert view.parts is not None
    return view.parts.labels()


@pytest.mark.parametrize("seed", SEEDS)
def test_glioma_has_necrotic_core_edema_and_rim_inside_the_brain(seed: int) -> None:
    view = view_of(0, seed)

    labels = labels_of(view)

    assert set(np.unique(labels)) == {0, NECROTIC, EDEMA, ENHANCING}
    assert view.brain.mask[labels > 0].min() > 0.4


@pytest.mark.parametrize("seed", SEEDS)
def test_edema_does_not_enter_the_fluid_and_prefers_white_matter(seed: int) -> None:
    view = view_of(0, seed)

    tissues = view.brain.tissues[:, labels_of(view) == EDEMA]

    assert tissues[atlas.CSF].max() < 0.5
    assert tissues[atlas.WHITE].mean() > 2 * tissues[atlas.GREY].mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_meningioma_lies_broadly_on_the_dura_and_enhances(seed: int) -> None:
    view = view_of(1, seed)

    labels = labels_of(view)

    distance_mm = view.brain.case_distance_mm[labels == ENHANCING]
    assert set(np.unique(labels)) == {0, ENHANCING}
    assert np.mean(np.abs(distance_mm) < 3.5) > 0.1
    assert distance_mm.max() < 2.0


@pytest.mark.parametrize("seed", SEEDS)
def test_pituitary_tumor_is_round_and_sits_at_the_sella(seed: int) -> None:
    view = view_of(3, seed)

    points_mm = view.points_mm[:, labels_of(view) == ENHANCING]

    assert np.linalg.norm(points_mm.mean(axis=1) - SELLA_MM) < 7
    assert np.ptp(points_mm, axis=1).max() < 2 * np.ptp(points_mm, axis=1).min()


def test_notumor_has_no_parts_unless_imagined() -> None:
    patient = draw_patient(seed=0, index=2)

    assert look(patient, GRID).parts is None
    assert look(patient, GRID, imagined=True).parts is not None


def test_a_meningioma_pushes_the_brain_aside() -> None:
    patient = draw_patient(seed=0, index=5)
    grid = PlaneGrid(centered_mm(40, 2, 0), centered_mm(40, 2, 0), np.array([0.0]))
    points_mm = grid.points_mm() + patient.tumor.center_mm.reshape(3, 1, 1, 1)
    before = displace(patient.tumor, points_mm, np.full(grid.shape, -20, dtype=np.float32))
    away = [np.linalg.norm(p - patient.tumor.center_mm.reshape(3, 1, 1, 1), axis=0) for p in (points_mm, before)]

    assert np.all(away[1] <= away[0])
    assert (away[0] - away[1]).max() > 5
