from __future__ import annotations

import numpy as np

from glioray.data.phantom.fields import SmoothField
from glioray.data.phantom.grid import PlaneGrid, centered_mm


def test_a_field_is_the_same_on_a_fine_and_on_a_coarse_grid() -> None:
    field = SmoothField.draw(np.random.default_rng(0), channels=2, knot_mm=20.0)
    fine = PlaneGrid(*[centered_mm(41, 2.0, 5.0)] * 3)
    coarse = PlaneGrid(*[mm[::4] for mm in (fine.x_mm, fine.y_mm, fine.z_mm)])

    assert np.allclose(field.at(coarse), field.at(fine)[:, ::4, ::4, ::4], atol=1e-5)


def test_axes_of_a_field_are_not_mixed_up() -> None:
    field = SmoothField.draw(np.random.default_rng(0), channels=1, knot_mm=20.0)
    grid = PlaneGrid(centered_mm(5, 9.0, 0), centered_mm(6, 9.0, 20), centered_mm(7, 9.0, -10))

    one = PlaneGrid(grid.x_mm[1:2], grid.y_mm[2:3], grid.z_mm[3:4])

    assert field.at(grid).shape == (1, 5, 6, 7)
    assert np.allclose(field.at(grid)[0, 1, 2, 3], field.at(one).item(), atol=1e-5)


def test_a_field_has_about_unit_deviation_and_no_steps() -> None:
    field = SmoothField.draw(np.random.default_rng(0), channels=1, knot_mm=10.0)

    values = field.at(PlaneGrid(*[centered_mm(120, 2.0, 0.0)] * 3))

    assert 0.8 < values.std() < 1.2
    assert np.abs(np.diff(values, axis=1)).max() < 1.5
