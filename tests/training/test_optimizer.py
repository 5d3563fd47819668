from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn

from glioray.recipe import Optimizer
from glioray.training import optimizer as optimizers
from glioray.training.optimizer import build_optimizer, parameter_groups


class Net(nn.Sequential):
    """Three layers; `2.weight` asks to be spared of decay, as positions of a transformer do."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 2, 1)
        )

    def no_weight_decay(self) -> set[str]:
        return {"2.weight"}


def by_name(model: nn.Module, settings: Optimizer, key: str) -> dict[str, Any]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(one)]: group[key] for group in parameter_groups(model, settings) for one in group["params"]}


def gradients(model: nn.Module) -> None:
    model.zero_grad()
    model(torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(1))).square().sum().backward()


def test_every_parameter_is_in_one_group() -> None:
    model = Net()
    held = [one for group in parameter_groups(model, Optimizer()) for one in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))


def test_norms_biases_and_what_the_network_names_do_not_decay() -> None:
    decays = by_name(Net(), Optimizer(weight_decay=0.1), "weight_decay")
    assert {name for name, decay in decays.items() if decay} == {"0.weight", "3.weight"}


def test_what_a_network_within_a_network_names_does_not_decay_either() -> None:
    decays = by_name(nn.Sequential(Net()), Optimizer(weight_decay=0.1), "weight_decay")
    assert {name for name, decay in decays.items() if decay} == {"0.0.weight", "0.3.weight"}


def test_all_decay_where_that_is_asked() -> None:
    assert set(by_name(Net(), Optimizer(weight_decay=0.1, decay_all=True), "weight_decay").values()) == {0.1}


def test_a_layer_learns_the_slower_the_nearer_it_is_to_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [["0.weight"], ["1.weight", "1.bias", "2.weight"], ["3.weight", "3.bias"]]
    monkeypatch.setattr(optimizers, "layers", lambda model: named)
    scales = by_name(Net(), Optimizer(layer_decay=0.5), "lr_scale")
    assert [scales[names[0]] for names in named] == [0.25, 0.5, 1]
    assert scales["1.bias"] == scales["2.weight"] == 0.5


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_fused_rule_is_the_plain_one(name: str) -> None:
    models = [Net().to(memory_format=torch.channels_last) for _ in range(2)]  # type: ignore[call-overload]
    settings = Optimizer(name=name, learning_rate=0.01, weight_decay=0.1)
    fused = build_optimizer(models[0], settings)
    plain = type(fused)(parameter_groups(models[1], settings), lr=0.01, **momentum(fused))
    for _ in range(3):
        for model, rule in zip(models, (fused, plain), strict=True):
            gradients(model)
            rule.step()
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-5, atol=1e-7)


def momentum(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {name: optimizer.defaults[name] for name in ("momentum", "nesterov") if name in optimizer.defaults}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_an_optimizer_read_back_goes_on_bit_for_bit(name: str) -> None:
    model, other = Net(), Net()
    one, two = (build_optimizer(net, Optimizer(name=name)) for net in (model, other))
    gradients(model)
    one.step()
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    two.load_state_dict(torch.load(file, weights_only=True))
    other.load_state_dict(model.state_dict())
    for net, rule in ((model, one), (other, two)):
        gradients(net)
        rule.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
