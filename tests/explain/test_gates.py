from __future__ import annotations

import math

import pytest
import torch

import glioray._torchvision  # noqa: F401  isort: skip  # before monai
from monai.networks.nets import AttentionUnet
from torch import nn

from glioray.data.records import Signature
from glioray.explain.gates import gate_figures, gate_names, gradient_norms, replaced_gates
from glioray.models import attention_unet, classic_unet

LOW, HIGH = "join.0.gate.sigmoid", "join.1.gate.sigmoid"


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return attention_unet.build(attention_unet.Config(base_filters=2, depth=2), Signature(1, 2, 32)).eval()


def images(num: int = 3) -> torch.Tensor:
    return torch.randn(num, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_gates_are_named_from_the_lowest_level_up(model):
    assert gate_names(model, images()) == [LOW, HIGH]
    assert (
        gate_names(classic_unet.build(classic_unet.Config(base_filters=2, depth=2), Signature(1, 2, 32)), images())
        == []
    )


def test_a_gate_whose_relu_is_dead_says_the_same_everywhere(model):
    """By hand: no channel passes the ReLU, so that the sigmoid sees its bias alone."""
    gate = model.join[0].gate
    nn.init.zeros_(gate.query.weight)
    nn.init.zeros_(gate.key.weight)
    nn.init.constant_(gate.query.bias, -1)
    nn.init.zeros_(gate.key.bias)
    nn.init.constant_(gate.weigh.bias, 2)

    found = gate_figures(model, [(images(), None)])

    assert found[LOW].dead == 1
    assert found[LOW].spread == pytest.approx(0, abs=1e-6)
    assert found[LOW].mean == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-6)
    assert found[HIGH].dead < 1
    assert found[HIGH].spread > 0
    assert math.isnan(found[LOW].inside)


class _Says(nn.Module):
    """Two channels, of which the first image that it is asked about makes the first alive, the next the second."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        alive = torch.tensor([1.0, -1.0] if self.asked == 1 else [-1.0, 1.0])
        return alive[None, :, None, None].expand(len(features), 2, 8, 8)


def test_a_channel_that_is_alive_in_one_batch_is_not_dead(model):
    gate = model.join[0].gate
    gate.query, gate.key = nn.Sequential(_Says()), nn.Sequential(_Says())
    gate.weigh = nn.Conv2d(2, 1, 1)

    alone = gate_figures(model, [(images(), None)])[LOW].dead
    gate.query[0].asked = gate.key[0].asked = 0
    both = gate_figures(model, [(images(), None), (images(), None)])[LOW].dead

    assert alone == 0.5
    assert both == 0


def test_saturated_cells_are_counted(model):
    nn.init.constant_(model.join[0].gate.weigh.bias, 10)

    assert gate_figures(model, [(images(), None)])[LOW].saturated == 1


def test_inside_and_outside_are_weighed_by_the_share_of_the_mask_in_a_cell(model, monkeypatch):
    """By hand: the left half of each cell row open at 1, the right at 0; the mask covers the left quarter."""
    cells = torch.zeros(1, 1, 8, 8)
    cells[..., :4] = 1
    monkeypatch.setattr("glioray.explain.gates.maps", lambda model, images, of: {LOW: cells})
    mask = torch.zeros(1, 32, 32, dtype=torch.bool)
    mask[..., :8] = True
    monkeypatch.setattr("glioray.explain.gates._gate", lambda model, name: None)

    found = gate_figures(model, [(images(1), mask)])[LOW]

    assert found.inside == 1
    assert found.outside == pytest.approx((16 / 64) / (48 / 64))


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_gate_replaced_by_a_number_lets_that_share_of_the_skip_through_everywhere(model, share):
    """Of 0 nothing of the first level's block gets to the answer but through the pool below it."""
    marks = []
    handle = model.join[1].register_forward_hook(lambda _module, inputs, output: marks.append((*inputs, output)))
    with replaced_gates(model, {HIGH: share}):
        model(images())
    handle.remove()

    below, skip, joined = marks[0]
    from_below = nn.functional.interpolate(below, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(joined - from_below, share * skip)


def test_afterwards_the_network_is_what_it_was(model):
    image = images()
    model.train()
    before = model(image)
    with replaced_gates(model, {LOW: 0.0}):
        pass
    gate_figures(model, [(image, None)])

    assert model.training
    assert torch.equal(model(image), before)


def test_the_gradient_of_a_gate_is_that_of_its_own_parameters(model):
    loss = model(images()).square().mean()
    loss.backward(retain_graph=True)
    own = torch.cat([parameter.grad.flatten() for parameter in model.join[0].gate.parameters()])
    all_of_it = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    found = gradient_norms(model, loss, [LOW, HIGH])

    assert found[LOW] == pytest.approx(float(own.norm()))
    assert found["all"] == pytest.approx(float(all_of_it.norm()))
    assert set(found) == {LOW, HIGH, "all"}


def test_gates_of_another_network_have_figures_but_no_dead_channels():
    torch.manual_seed(0)
    found = gate_figures(AttentionUnet(2, 1, 1, (4, 8), (2,)), [(images(), None)])

    (gate,) = found.values()
    assert 0 < gate.mean < 1
    assert math.isnan(gate.dead)
