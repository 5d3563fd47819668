from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.errors import ModelError
from glioray.models._sizes import brief, refusal, require_size


def taken(*sizes: int):
    return lambda size_px: "" if size_px in sizes else f"not {size_px}"


def test_a_size_that_is_taken_passes():
    require_size(taken(50), 50, 224, "net")


def test_a_size_that_is_refused_names_the_nearest_that_is_taken():
    with pytest.raises(ModelError, match=r"net: 50 px is refused \(not 50\); .*--image-size 56"):
        require_size(taken(56, 64, 224), 50, 224, "net")


@pytest.mark.parametrize("own_px", [33, 331])
def test_the_networks_own_size_is_the_last_resort(own_px):
    with pytest.raises(ModelError, match=f"--image-size {own_px}"):
        require_size(taken(own_px), 50, own_px, "net")


def test_a_network_that_takes_nothing_is_not_said_to_take_something():
    with pytest.raises(ModelError, match="neither 50 px nor any other size is taken") as caught:
        require_size(taken(), 50, 224, "net")
    assert "--image-size" not in str(caught.value)


def test_a_trial_costs_no_memory_and_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()

    assert refusal(lambda: nn.Sequential(nn.Conv2d(1, 2**20, 99), nn.Conv2d(2**20, 3, 1)), 1, 99, (1, 3, 1, 1)) == ""

    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_wrong_shape_and_a_failure_are_refusals():
    assert (
        refusal(lambda: nn.Conv2d(1, 3, 3), 1, 8, (1, 3, 8, 8)) == "it gives (1, 3, 6, 6) in the place of (1, 3, 8, 8)"
    )
    assert "Kernel size" in refusal(lambda: nn.Conv2d(1, 3, 9), 1, 8, (1, 3, 8, 8))


def test_what_the_builder_refuses_by_itself_is_not_taken_for_the_size():
    def build() -> nn.Module:
        raise ModelError("set model.dropout=0")

    with pytest.raises(ModelError, match="dropout"):
        refusal(build, 1, 8, (1, 2))


def test_an_error_of_another_library_is_one_short_line():
    assert brief(ValueError("a\n  b")) == "a b"
    assert brief(AssertionError()) == "AssertionError"
    assert len(brief(ValueError("x" * 1000))) < 120


def test_a_defect_of_the_builder_is_not_told_as_the_networks_refusal():
    def build() -> nn.Module:
        raise TypeError("'int' object is not subscriptable")

    with pytest.raises(TypeError):
        refusal(build, 1, 8, (1, 2))
