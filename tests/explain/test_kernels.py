from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.explain.kernels import first_kernels, strongest
from glioray.models import attention_unet, custom_cnn, vit


@pytest.mark.parametrize(
    ("module", "config", "shape"),
    [
        (custom_cnn, custom_cnn.Config(), (96, 3, 9, 9)),
        (vit, vit.Config(dim=16, depth=1, heads=2, mlp=16, patch_size=16), (16, 3, 16, 16)),
        (attention_unet, attention_unet.Config(base_filters=2, depth=1), (3, 1, 7, 7)),
    ],
)
def test_the_first_kernels_are_those_that_see_the_image(module, config, shape):
    assert first_kernels(module.build(config, Signature(3, 4, 128))).shape == shape


def test_a_convolution_of_one_pixel_is_passed_over():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 5))

    assert torch.equal(first_kernels(model), model[1].weight)


def test_a_network_without_kernels_is_refused():
    with pytest.raises(ModelError, match="no convolution"):
        first_kernels(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))


def test_the_strongest_channels_differ_most_from_place_to_place():
    maps = torch.zeros(4, 2, 2)
    maps[1] = 9  # high, and the same everywhere
    maps[2, 0, 0] = 1
    maps[3, 0, 0] = -5

    assert strongest(maps, 2) == [3, 2]
