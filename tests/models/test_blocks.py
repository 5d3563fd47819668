from __future__ import annotations

import torch
from torch import nn

from glioray.models._blocks import UNet, conv_norm_act, dense_head


def plain(in_channels: int, middle: int, out_channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 1)


def test_a_unet_doubles_its_filters_on_the_way_down_and_halves_them_on_the_way_up():
    model = UNet(4, 3, base_filters=2, depth=3, block=plain)

    assert [block.out_channels for block in model.down] == [2, 4, 8]
    assert [block.in_channels for block in model.up] == [16, 8, 4]
    assert model.head.out_channels == 3


def test_a_unet_uses_its_skips():
    model = UNet(1, 1, base_filters=2, depth=1, block=plain)
    nn.init.zeros_(model.bottom.weight)
    nn.init.zeros_(model.bottom.bias)

    first, second = (model(image) for image in torch.randn(2, 1, 1, 8, 8))

    assert not torch.allclose(first, second)


def test_a_pooled_block_halves_the_image():
    block = conv_norm_act(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), pool=True)

    assert block(torch.zeros(2, 1, 8, 8)).shape == (2, 2, 4, 4)


def test_the_last_layer_of_a_head_has_neither_activation_nor_dropout():
    head = dense_head((8, 4, 2), nn.ReLU, dropout=0.5)

    assert [type(layer).__name__ for layer in head] == ["Flatten", "Linear", "ReLU", "Dropout", "Linear"]
