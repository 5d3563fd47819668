from __future__ import annotations

import pytest

from glioray.evaluation.comparing.result import unbeaten


@pytest.mark.parametrize(
    ("scores", "costs", "expected"),
    [
        ([0.9, 0.8, 0.7], [3, 2, 1], [True, True, True]),
        ([0.9, 0.8, 0.7], [1, 2, 3], [True, False, False]),
        ([0.9, 0.9], [1, 2], [True, False]),
        ([0.9, 0.8], [1, 1], [True, False]),
        ([0.9, 0.9], [1, 1], [True, True]),
    ],
)
def test_a_model_is_beaten_by_one_as_good_and_cheaper_or_better_and_as_cheap(scores, costs, expected):
    assert unbeaten(scores, costs) == expected
