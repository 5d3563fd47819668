from __future__ import annotations

import pytest
from torch import nn

from glioray.errors import ModelError, RecipeError
from glioray.models._timm import create, own_size, require_known, require_whole_patches
from glioray.recipe import Recipe


@pytest.mark.parametrize("name", ["resnet18", "resnet18.a1_in1k", "test_vit"])
def test_a_name_of_timm_is_known(name):
    assert require_known(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet8", "timm has no network of this name; did you mean 'resnet18'"),
        ("resnet18.a1_in2k", "timm has 'resnet18', but not with these weights; did you mean 'resnet18.a1_in1k'"),
        ("qqqqqqqqqqqq", "timm has no network of this name; `timm.list_models()` names all"),
        ("hf-hub:somebody/resnet18", "timm has no network of this name"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name, expected):
    model = {"name": "timm_classifier", "architecture": name}

    with pytest.raises(RecipeError) as caught:
        Recipe.from_values({"task": "classification", "data": {"path": "x"}, "model": model, "loss": {}}, "x.yaml")

    assert f"x.yaml: model.architecture: {name!r} is refused: {expected}" in str(caught.value)


def test_a_name_that_timm_has_given_up_is_unknown():
    with pytest.raises(ValueError, match="did you mean .*'convnext_tiny'"):
        require_known("convnext_tiny_in22ft1k")


def test_pretrained_and_a_file_at_once_are_refused():
    model = {"name": "timm_unet", "pretrained": True, "weights": "a.safetensors"}

    with pytest.raises(RecipeError, match="pretrained is true and weights is 'a.safetensors': begin with one"):
        Recipe.from_values({"task": "segmentation", "data": {"path": "x"}, "model": model, "loss": {}})


def test_a_network_for_one_size_is_made_for_ours():
    assert create("test_vit", 1, 64, 2).patch_embed.num_patches == (64 // 16) ** 2
    assert create("test_vit", 1, None, 2).patch_embed.num_patches == (own_size("test_vit") // 16) ** 2


def test_dropout_and_drop_path_reach_the_network():
    network = create("test_vit", 1, 64, 2, dropout=0.25, drop_path=0.5)

    assert network.head_drop.p == 0.25
    assert network.blocks[-1].drop_path1.drop_prob == 0.5


def test_a_setting_that_a_network_lacks_is_named():
    with pytest.raises(ModelError, match="'convmixer_768_32' of timm has no drop_path: set model.drop_path=0"):
        create("convmixer_768_32", 1, 64, 2, drop_path=0.1)


@pytest.mark.parametrize("patch_size", [16, (16, 16), (8, 16)])
def test_patches_that_leave_out_pixels_are_refused_however_their_size_is_written(patch_size):
    network = nn.Module()
    network.patch_embed = nn.Module()
    network.patch_embed.patch_size = patch_size

    assert require_whole_patches(network, 32) is network
    with pytest.raises(ValueError, match="patches of 16 px"):
        require_whole_patches(network, 40)
