from __future__ import annotations

import pytest
import torch

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models.timm_classifier import Config, build


@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit", "test_convnext", "test_nfnet"])
@pytest.mark.parametrize("channels", [1, 4])
def test_it_takes_as_many_channels_and_gives_as_many_classes_as_the_data_have(architecture, channels):
    model = build(Config(architecture=architecture), Signature(channels, 5, 64)).eval()

    with torch.inference_mode():
        assert model(torch.zeros(2, channels, 64, 64)).shape == (2, 5)


def test_every_parameter_learns_once_the_norms_that_begin_at_zero_have_moved():
    model = build(Config(architecture="test_resnet"), Signature(1, 2, 64)).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 1, 64, 64)).square().mean().backward()
        optimizer.step()

    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []


@pytest.mark.parametrize("image_size", [70, 75])
def test_a_size_that_leaves_pixels_outside_of_the_patches_is_refused(image_size):
    with pytest.raises(
        ModelError, match=rf"test_vit: {image_size} px is refused \(it has patches of 16 px\).*--image-size 80"
    ):
        build(Config(architecture="test_vit"), Signature(1, 2, image_size))


def test_a_network_that_cannot_change_its_size_says_which_it_has():
    with pytest.raises(ModelError, match=r"efficientformer_l1: 250 px is refused .*--image-size 224"):
        build(Config(architecture="efficientformer_l1"), Signature(1, 2, 250))


def test_its_weights_are_random_whatever_it_is_to_begin_with():
    torch.manual_seed(0)
    plain = build(Config(architecture="test_vit"), Signature(1, 2, 64)).state_dict()
    torch.manual_seed(0)
    other = build(Config(architecture="test_vit", weights="nowhere.safetensors"), Signature(1, 2, 64)).state_dict()

    assert all(torch.equal(plain[name], other[name]) for name in plain)
