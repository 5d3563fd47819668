from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.errors import ModelError
from glioray.explain.gradcam import gradcam
from glioray.explain.methods import heat_maps, methods


class OneQuarter(nn.Module):
    """A block that sees the upper left quarter (0) or the lower right one (1) of its image, and nothing else."""

    def __init__(self, corner: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 2, stride=2)
        self.corner = corner

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.conv(image).relu()
        half = features.shape[-1] // 2
        seen = torch.zeros_like(features)
        part = slice(half) if self.corner == 0 else slice(half, None)
        seen[..., part, part] = features[..., part, part]
        return seen


def two_by_two(head_weights: list[list[float]]) -> nn.Module:
    """Two maps of 2 x 2 cells, the means of 4 x 4 px and twice these; their means go into a linear layer."""
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 4, stride=4, bias=False), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, len(head_weights), bias=False)),
    )
    network[0][0].weight.data = torch.tensor([1.0, 2.0])[:, None, None, None].expand(2, 1, 4, 4) / 16
    network[1][2].weight.data = torch.tensor(head_weights)
    return network


def image_of(*quarters: float) -> torch.Tensor:
    cells = torch.tensor(quarters, dtype=torch.float32).reshape(1, 1, 2, 2)
    return cells.repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_it_is_what_the_paper_says_worked_out_by_hand():
    """Mean gradients of logit 0 are 3/4 and -1/4, so the map is relu(3/4 A - 1/4 2 A) = A/4: cells 1, 1/2, 1/4, 0."""
    heat = gradcam(two_by_two([[3.0, -1.0], [-3.0, 1.0]]), image_of(4, 2, 1, 0), torch.tensor([0]))

    # A cell is a tent of 4 px around its middle, 1.5 or 5.5: at pixel 2 they are 7/8 and 1/8, at 5 the other way round.
    tents = torch.tensor([[7 / 8, 1 / 8], [1 / 8, 7 / 8]])
    by_hand = tents @ torch.tensor([[1, 1 / 2], [1 / 4, 0]]) @ tents.T
    torch.testing.assert_close(heat[0][[2, 5]][:, [2, 5]], by_hand / by_hand[0, 0])


def test_what_speaks_against_a_class_is_left_out():
    heat = gradcam(two_by_two([[3.0, -1.0], [-3.0, 1.0]]), image_of(4, 2, 1, 0), torch.tensor([1]))

    assert torch.equal(heat, torch.zeros(1, 8, 8))


@pytest.mark.parametrize(("corner", "seen"), [(0, slice(0, 16)), (1, slice(16, 32))])
def test_a_network_that_looks_at_one_quarter_only_points_there(corner, seen):
    torch.manual_seed(0)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    nn.init.uniform_(head[2].weight, 0.1, 1)
    network = nn.Sequential(OneQuarter(corner), head)
    images = torch.rand(8, 1, 32, 32)
    images[..., seen, seen] /= 4  # the rest is brighter

    heat = gradcam(network, images, torch.zeros(8, dtype=torch.int64))

    peaks = [divmod(int(one.argmax()), 32) for one in heat]
    assert (heat.amax((1, 2)) == 1).all()
    assert all(seen.start <= row < seen.stop and seen.start <= column < seen.stop for row, column in peaks)


def test_a_class_that_nothing_can_change_has_a_map_of_zeros():
    heat = gradcam(two_by_two([[0.0, 0.0], [1.0, 1.0]]), image_of(4, 2, 1, 0), torch.tensor([0]))

    assert heat.max() == 0


def test_each_image_of_a_batch_is_explained_for_its_own_class():
    network = two_by_two([[1.0, 0.0], [-1.0, 0.0]])
    images = torch.cat([image_of(4, 0, 0, 0), image_of(0, 0, 0, 4)])

    both = gradcam(network, images, torch.tensor([0, 1]))

    assert divmod(int(both[0].argmax()), 8) == (1, 1)
    assert both[1].max() == 0


def test_a_network_without_a_map_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))

    with pytest.raises(ModelError, match="has no feature map"):
        gradcam(network, image_of(4, 2, 1, 0), torch.tensor([0]))


def test_a_method_that_a_network_cannot_do_is_refused_with_what_it_can():
    network = two_by_two([[1.0, 1.0]])

    assert methods(network) == ("gradcam",)
    with pytest.raises(ModelError, match=r"explain=attention .* can be explained by gradcam"):
        heat_maps(network, image_of(4, 2, 1, 0), torch.tensor([0]), "attention")
