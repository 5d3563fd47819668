from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.models import _contract as models
from glioray.models._fold import folded
from glioray.models._strided import without_point_strides
from glioray.models.monai_net import Config as MonaiNet
from glioray.models.timm_classifier import Config as TimmClassifier


def strides_of_points(model: nn.Module) -> set[tuple[int, ...]]:
    return {layer.stride for layer in model.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)}


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (1, 4, 7, 9)])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_strided_point_answers_and_learns_as_before(shape, groups):
    own = nn.Conv2d(4, 6, 1, stride=(2, 3), groups=groups)
    changed = without_point_strides(copy.deepcopy(own))
    image = torch.randn(shape)  # channels first: there torch's own is right

    torch.testing.assert_close(changed(image), own(image))
    for layer in (own, changed):
        layer(image).square().sum().backward()
    torch.testing.assert_close(changed.weight.grad, own.weight.grad)
    assert strides_of_points(changed) == {(1, 1)}
    assert list(changed.state_dict()) == list(own.state_dict())


def test_other_convolutions_keep_their_stride():
    model = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 1, stride=2, padding=1))

    assert [layer.stride for layer in without_point_strides(model)] == [(2, 2), (2, 2)]


@pytest.mark.parametrize(
    "config",
    [
        MonaiNet(network="DynUNet", arguments={"res_block": True, "filters": [8, 16, 32, 64, 128]}),
        TimmClassifier(architecture="test_resnet"),
    ],
    ids=lambda config: config.name,
)
def test_a_network_of_another_library_is_built_without_them(config):
    assert strides_of_points(models.build(config, Signature(1, 4, 64))) == {(1, 1)}


def test_it_is_folded_with_its_norm_and_answers_the_same():
    model = without_point_strides(nn.Sequential(nn.Conv2d(4, 6, 1, stride=2), nn.BatchNorm2d(6))).eval()
    image = torch.randn(2, 4, 8, 8)

    quick = folded(model)

    assert isinstance(quick[1], nn.Identity)
    torch.testing.assert_close(quick(image), model(image))
