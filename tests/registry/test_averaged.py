from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.manifest import Normalization
from glioray.registry.averaged import Averaged, identity

PLAIN = identity(2)


class Says(nn.Module):
    """The same logits for every image."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(pixels), -1)


class Mean(nn.Module):
    """The mean of each channel."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean((2, 3))


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_the_probabilities_are_the_mean_of_the_members(is_exclusive):
    members = [Says(2.0, -1.0, 0.5), Says(-3.0, 4.0, 0.0), Says(0.1, 0.2, 0.3)]
    probabilities = (lambda x: x.softmax(1)) if is_exclusive else torch.sigmoid

    logits = Averaged(members, [PLAIN] * 3, is_exclusive)(torch.zeros(1, 2, 4, 4))

    expected = torch.stack([probabilities(member.logits) for member in members]).mean(0)
    torch.testing.assert_close(probabilities(logits), expected)


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_members_that_are_sure_give_a_finite_answer_between_them(is_exclusive):
    members = [Says(300.0, -300.0), Says(-300.0, 300.0), Says(-300.0, 300.0)]

    logits = Averaged(members, [PLAIN] * 3, is_exclusive)(torch.zeros(1, 2, 4, 4))

    found = logits.softmax(1) if is_exclusive else logits.sigmoid()
    assert found[0].tolist() == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_members_that_agree_beyond_doubt_stay_finite(is_exclusive):
    logits = Averaged([Says(500.0, -500.0)] * 2, [PLAIN] * 2, is_exclusive)(torch.zeros(1, 2, 4, 4))

    assert logits.isfinite().all()
    assert logits[0, 0] - logits[0, 1] > 100


def test_each_member_sees_the_image_in_its_own_normalization():
    normalizations = [Normalization(mean=(10.0, 20.0), std=(2.0, 4.0)), Normalization(mean=(0.0, 8.0), std=(1.0, 8.0))]

    logits = Averaged([Mean(), Mean()], normalizations, is_exclusive=False)(torch.full((1, 2, 4, 4), 12.0))

    one, other = torch.tensor([[1.0, -2.0]]).sigmoid(), torch.tensor([[12.0, 0.5]]).sigmoid()
    torch.testing.assert_close(logits.sigmoid(), (one + other) / 2)


def test_its_weights_are_the_members_with_their_place_in_front():
    averaged = Averaged([nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1)], [PLAIN] * 2, is_exclusive=False)

    assert set(averaged.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}
