from __future__ import annotations

import numpy as np
import pytest

from glioray.demo import ask
from glioray.errors import ServingError


def test_an_answer_that_differs_from_the_evaluation_is_an_error() -> None:
    ask._require_equal(0.25, 0.25, "x.png: glioma")
    with pytest.raises(ServingError, match="x.png: glioma: the service says 0.25, the evaluation said 0.26"):
        ask._require_equal(0.25, 0.26, "x.png: glioma")


def test_of_each_patient_the_slice_with_most_tumor_is_asked_about() -> None:
    masks = np.zeros((5, 4, 4), np.uint8)
    masks[1, 0, 0] = masks[2, :2, 0] = masks[3, 0, 0] = 4
    assert ask._fullest_slices(["a", "a", "a", "b", "b"], masks) == [2, 3]
