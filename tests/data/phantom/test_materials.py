from __future__ import annotations

import numpy as np

from glioray.data.phantom import atlas, materials
from glioray.data.phantom.grid import PlaneGrid, centered_mm
from glioray.data.phantom.patient import draw_patient, look

GRID = PlaneGrid(centered_mm(70, 3.5, 0), centered_mm(80, 3.5, 0), centered_mm(6, 20, 0))


def test_fractions_of_a_head_sum_to_one() -> None:
    patient = draw_patient(seed=0, index=2)
    view = look(patient, GRID)

    stack = materials.head_materials(patient.anatomy, GRID, view.brain, view.points_mm)

    assert np.allclose(stack.sum(axis=0), 1, atol=1e-4)
    assert stack.min() > -1e-5


def test_skull_and_fat_surround_the_brain_and_air_the_head() -> None:
    patient = draw_patient(seed=0, index=2)
    view = look(patient, GRID)

    stack = materials.head_materials(patient.anatomy, GRID, view.brain, view.points_mm)

    distance_mm = view.brain.case_distance_mm
    mean_mm = [np.average(distance_mm, weights=stack[m] * (distance_mm < 25)) for m in range(len(stack))]
    assert mean_mm[materials.WHITE] < mean_mm[materials.CSF] < mean_mm[materials.BONE] < mean_mm[materials.FAT]
    assert stack[materials.AIR][[0, -1]].min() == 1


def test_the_atlas_gives_back_its_own_voxels() -> None:
    lattice = atlas.load_atlas().tissues
    index = np.array([[40, 70], [90, 60], [80, 75]])

    points_mm = index + lattice.lowest_mm[:, None]

    sampled = lattice.at(points_mm.reshape(3, 1, 1, 2).astype(np.float32))[:, 0, 0]
    assert np.allclose(sampled, lattice.channels.numpy()[:, index[0], index[1], index[2]], atol=1e-3)
