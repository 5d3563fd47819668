from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.training import freezing
from glioray.training.freezing import Freezer


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    """A fixed scale, then an old layer and its norm, then the new layer."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    names = [name for name, _ in model.named_parameters()]
    monkeypatch.setattr(freezing, "layers", lambda model: [names[:-2], names[-2:]])
    return model


def learning(model: nn.Module) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_only_the_last_layer_learns_then_all_that_would_by_itself(model: nn.Sequential) -> None:
    freezer = Freezer(model, epochs=2)
    freezer.begin(2)
    assert learning(model) == ["4.weight", "4.bias"]
    freezer.begin(3)
    assert learning(model) == ["1.weight", "1.bias", "2.weight", "2.bias", "4.weight", "4.bias"]
    assert [freezer.ends_before(epoch) for epoch in (1, 2, 3, 4)] == [False, False, True, False]


def test_a_held_norm_keeps_its_figures_and_dropout_stays_on(model: nn.Sequential) -> None:
    freezer = Freezer(model, epochs=1)
    freezer.begin(1)
    before = model[2].running_mean.clone()
    model(torch.randn(4, 2))
    assert torch.equal(model[2].running_mean, before)
    assert model[3].training
    freezer.begin(2)
    model(torch.randn(4, 2))
    assert not torch.equal(model[2].running_mean, before)


def test_nothing_is_held_where_that_is_not_asked(model: nn.Sequential) -> None:
    before = learning(model)
    model.eval()
    freezer = Freezer(model, epochs=0)
    freezer.begin(1)
    assert learning(model) == before
    assert all(module.training for module in model.modules())
    assert not freezer.ends_before(1)


class WithToken(nn.Module):
    """As a ViT: a parameter of its own at the top, and dropout in the new head."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(2))
        self.body = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
        self.head = nn.Sequential(nn.BatchNorm1d(2, affine=False), nn.Dropout(), nn.Linear(2, 1))


def test_a_held_parameter_at_the_top_leaves_the_new_head_in_train_mode() -> None:
    model = WithToken()
    Freezer(model, epochs=1).begin(1)
    assert all(part.training for part in (model, *model.head.modules()))


def test_a_norm_without_parameters_is_held_before_the_new_layer_only() -> None:
    model = WithToken()
    freezer = Freezer(model, epochs=1)
    freezer.begin(1)
    assert [model.body[1].training, model.head[0].training] == [False, True]
    freezer.begin(2)
    assert model.body[1].training


def test_a_learning_group_norm_behind_held_layers_is_given_an_image_with_a_gradient() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Sequential(nn.GroupNorm(2, 4), nn.Conv2d(4, 1, 1)))
    needs: list[bool] = []
    freezer = Freezer(model, epochs=1)
    freezer.begin(1)
    model[1][0].register_forward_hook(lambda norm, inputs, output: needs.append(inputs[0].requires_grad))
    model(torch.randn(1, 1, 4, 4)).sum().backward()
    assert needs == [True]
    assert model[0].weight.grad is None
    freezer.begin(2)
    assert not model[1][0]._forward_pre_hooks
