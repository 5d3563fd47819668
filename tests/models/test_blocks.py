from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.models._blocks import Residual, UNet, UNetConfig, conv_norm_act, conv_relu_pool, dense_head, started_wide


def plain(in_channels: int, middle: int, out_channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 1)


def config(**values) -> UNetConfig:
    return UNetConfig(name="plain", **{"base_filters": 2, **values})


def test_a_unet_doubles_its_filters_on_the_way_down_and_halves_them_on_the_way_up():
    model = UNet(4, 3, config(depth=3), plain)

    assert [block.out_channels for block in model.down] == [2, 4, 8]
    assert [block.in_channels for block in model.up] == [16, 8, 4]
    assert model.head.out_channels == 3


def test_a_unet_that_adds_reads_half_as_much_on_the_way_up():
    model = UNet(4, 3, config(depth=3), plain, skips="add")

    assert [block.in_channels for block in model.up] == [8, 4, 2]
    assert [block.out_channels for block in model.up] == [4, 2, 2]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("skips", ["concat", "add"])
def test_a_unet_uses_its_skips(skips, gated):
    model = UNet(1, 1, config(depth=1), plain, skips, gated)
    nn.init.zeros_(model.bottom.weight)
    nn.init.zeros_(model.bottom.bias)

    first, second = (model(image) for image in torch.randn(2, 1, 1, 8, 8))

    assert not torch.allclose(first, second)


def test_the_heads_of_deep_supervision_are_there_only_where_it_is_on():
    off, on = (UNet(1, 1, config(depth=3, deep_supervision=deep), plain) for deep in (False, True))

    extra = set(on.state_dict()) - set(off.state_dict())

    assert extra == {f"coarse_heads.{level}.{kind}" for level in (0, 1) for kind in ("weight", "bias")}


def test_supervised_levels_come_finest_first_and_only_in_training():
    model = UNet(1, 2, config(depth=3, deep_supervision=True), plain)
    image = torch.randn(1, 1, 16, 16)

    levels = model.train()(image)

    assert [tuple(level.shape) for level in levels] == [(1, 2, 16, 16), (1, 2, 8, 8), (1, 2, 4, 4)]
    assert torch.equal(levels[0], model.eval()(image))


def test_a_shortcut_is_added_before_the_activation():
    layers = Residual(2, 2, [nn.Conv2d(2, 2, 1), nn.ReLU()])
    nn.init.zeros_(layers.body[0].weight)
    nn.init.zeros_(layers.body[0].bias)
    features = torch.randn(1, 2, 4, 4)

    assert torch.equal(layers(features), features.relu())


def test_a_shortcut_between_other_channels_is_a_projection():
    stage = conv_relu_pool(1, (2, 3), residual=True)

    assert stage[0].shortcut.weight.shape == (3, 1, 1, 1)
    assert stage(torch.randn(1, 1, 8, 8)).shape == (1, 3, 4, 4)


def test_a_started_network_keeps_torchs_last_layer():
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    last = network[2].weight.clone()

    started_wide(network)

    assert torch.equal(network[2].weight, last)
    assert network[0].weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.1)


def test_a_pooled_block_halves_the_image():
    block = conv_norm_act(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), pool=True)

    assert block(torch.zeros(2, 1, 8, 8)).shape == (2, 2, 4, 4)


def test_the_last_layer_of_a_head_has_neither_activation_nor_dropout():
    head = dense_head((8, 4, 2), nn.ReLU, dropout=0.5)

    assert [type(layer).__name__ for layer in head] == ["Flatten", "Linear", "ReLU", "Dropout", "Linear"]
