from __future__ import annotations

import pytest
import torch

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models.timm_unet import Config, build

# Levels from 1/2 or from 1/4 of the image on, and features with the channels last.
ENCODERS = ["test_resnet", "test_convnext", "test_efficientnet", "swin_tiny_patch4_window7_224"]


def small(architecture: str, **settings: bool) -> Config:
    return Config(architecture=architecture, decoder_filters=2, **settings)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_its_mask_is_as_large_as_the_image(architecture):
    model = build(small(architecture), Signature(4, 3, 64)).eval()

    with torch.inference_mode():
        assert model(torch.randn(2, 4, 64, 64)).shape == (2, 3, 64, 64)


@pytest.mark.parametrize("architecture", ENCODERS[:3])
def test_every_parameter_learns_and_none_is_left_over_from_the_classifier(architecture):
    model = build(small(architecture, deep_supervision=True), Signature(1, 2, 64)).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    for _ in range(2):
        optimizer.zero_grad()
        sum(level.square().mean() for level in model(torch.randn(4, 1, 64, 64))).backward()
        optimizer.step()

    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_supervised_levels_come_in_training_only_each_half_of_the_one_before():
    model = build(small("test_convnext", deep_supervision=True), Signature(1, 2, 64))

    assert [level.shape[-1] for level in model.train()(torch.randn(2, 1, 64, 64))] == [64, 32, 16, 8, 4]
    assert model.eval()(torch.randn(2, 1, 64, 64)).shape == (2, 2, 64, 64)


def test_each_lower_level_of_the_way_up_has_twice_as_many_filters():
    model = build(Config(architecture="test_resnet", decoder_filters=3), Signature(1, 2, 64))

    assert [block[0].out_channels for block in model.up] == [48, 24, 12, 6, 3]


def test_every_level_of_the_encoder_reaches_the_mask():
    torch.manual_seed(0)
    model = build(small("test_resnet"), Signature(1, 2, 64)).eval()
    image = torch.randn(1, 1, 64, 64)
    features = [level.detach().requires_grad_() for level in model.encoder(image)]
    model.encoder.forward = lambda _: features

    model(image).square().mean().backward()

    assert all(level.grad.any() for level in features)


@pytest.mark.parametrize("image_size", [48, 75])
def test_a_size_that_its_levels_cannot_halve_is_refused(image_size):
    padded = 64 if image_size == 48 else 96
    with pytest.raises(ModelError, match=rf"{image_size} px .*multiple of 32.*--image-size {padded}"):
        build(small("test_resnet"), Signature(1, 2, image_size))


def test_a_network_whose_levels_are_all_alike_is_refused():
    with pytest.raises(ModelError, match=r"levels of 'test_vit' are 16, 16, 16 times smaller .* as resnet18"):
        build(small("test_vit"), Signature(1, 2, 64))


def test_a_network_without_features_is_refused():
    with pytest.raises(ModelError, match=r"cannot take features out of 'hardcorenas_a' .* as resnet18"):
        build(small("hardcorenas_a"), Signature(1, 2, 64))
