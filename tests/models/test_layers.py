from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.models import _contract as models
from glioray.models._layers import head, layers
from glioray.models.timm_classifier import Config as TimmClassifier
from glioray.models.timm_unet import Config as TimmUNet


def classifier(architecture: str) -> nn.Module:
    return models.build(TimmClassifier(architecture=architecture), Signature(1, 3, 64))


def segmenter(architecture: str) -> nn.Module:
    return models.build(TimmUNet(architecture=architecture, decoder_filters=2), Signature(1, 3, 64))


def own(name: str) -> nn.Module:
    return models.build(models.load(name).Config(), Signature(1, 3, 96))


@pytest.mark.parametrize(
    "model",
    [classifier("test_resnet"), classifier("test_vit"), segmenter("test_convnext"), own("custom_cnn"), own("vit")],
    ids=lambda model: type(model).__name__,
)
def test_every_parameter_is_in_one_layer(model):
    names = [name for layer in layers(model) for name in layer]

    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert len(layers(model)) > 3
    assert all(layers(model))


@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit", "test_efficientnet"])
def test_only_the_classifier_is_new_in_a_network_of_timm(architecture):
    model = classifier(architecture)

    assert set(layers(model)[-1]) == head(model)
    assert sum(model.get_parameter(name).numel() for name in head(model)) == 3 * model.head_hidden_size + 3


def test_the_first_layer_is_the_one_that_sees_the_image():
    assert "conv_stem.weight" in layers(classifier("test_efficientnet"))[0]
    assert "patch_embed.proj.weight" in layers(classifier("test_vit"))[0]


def test_all_but_the_encoder_is_new_in_a_unet_of_timm():
    *old, new = layers(segmenter("test_convnext"))

    assert all(name.startswith("encoder.") for layer in old for name in layer)
    assert {name.split(".")[0] for name in new} == {"up", "head"}


def test_the_heads_of_a_unet_are_one_layer():
    model = models.build(models.load("classic_unet").Config(base_filters=2, deep_supervision=True), Signature(1, 3, 32))

    assert {name.split(".")[0] for name in layers(model)[-1]} == {"head", "coarse_heads"}


def test_a_network_without_a_head_ends_in_its_last_part():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Linear(2, 3), nn.Flatten())

    assert layers(model) == [["0.weight", "0.bias"], ["2.weight", "2.bias"]]


def test_a_parameter_outside_of_all_parts_is_in_the_first_layer():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.register_parameter("position", nn.Parameter(model[0].weight.detach().clone()))

    assert layers(model)[0] == ["position"]


@pytest.mark.parametrize("name", ["attention_unet", "classic_unet"])
def test_the_layers_of_a_unet_are_in_the_order_in_which_the_image_passes_them(name):
    model = models.build(models.load(name).Config(base_filters=2), Signature(1, 3, 32)).eval()
    parts = [parameters[0].rsplit(".", len(parameters[0].split(".")) - 2)[0] for parameters in layers(model)[:-1]]
    passed: list[str] = []
    for part in parts:
        model.get_submodule(part).register_forward_pre_hook(lambda *_, part=part: passed.append(part))

    model(torch.zeros(1, 1, 32, 32))

    assert parts == passed
