from __future__ import annotations

import torch

from glioray.explain.placing import placed, scaled


def test_a_cell_is_highest_where_it_looks_and_gone_where_its_neighbors_look():
    cells = torch.zeros(1, 5, 5)
    cells[0, 1, 3] = 2.0

    heat = placed(cells, 128, first_px=26, step_px=16)[0]

    assert divmod(int(heat.argmax()), 128) == (26 + 16, 26 + 3 * 16)
    torch.testing.assert_close(heat[42, 74], torch.tensor(2.0))
    torch.testing.assert_close(heat[50, 74], torch.tensor(1.0))
    torch.testing.assert_close(heat[26], torch.zeros(128), atol=1e-5, rtol=0)


def test_the_outermost_cells_fade_towards_the_border_instead_of_filling_it():
    heat = placed(torch.ones(1, 2, 2), 8, first_px=1.5, step_px=4)[0]

    assert heat[0, 4] < heat[1, 4] < heat[2, 4]
    assert heat.max() == heat[2, 2]


def test_rows_and_columns_may_be_of_different_number():
    assert placed(torch.ones(2, 3, 5), 32, 3, 6).shape == (2, 32, 32)


def test_the_highest_value_is_one_and_nothing_stays_nothing():
    heat = scaled(torch.stack([torch.full((2, 2), 4.0), torch.zeros(2, 2)]))

    assert heat.amax((1, 2)).tolist() == [1.0, 0.0]
