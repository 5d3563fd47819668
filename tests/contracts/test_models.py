"""What every architecture must keep to; a new file in `models/` is covered by being there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import safetensors.torch
import torch
from pydantic import ValidationError
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError, RecipeError
from glioray.models import _contract as models
from glioray.recipe import Recipe

SEARCH_SPACES = Path(__file__).parents[2] / "search_spaces"
NAMES = models.names()
SIGNATURES = [Signature(1, 4, 96), Signature(3, 2, 128)]
BAD_SIZES_PX = (1, 17, 45, 75)

every_model = pytest.mark.parametrize("name", NAMES)


def recipe_of(name: str) -> Recipe:
    return Recipe.from_yaml(SEARCH_SPACES / f"{name}.yaml")


def built(name: str, signature: Signature, seed: int = 0) -> nn.Module:
    """The model of the name's own YAML, small where it says how small it may be."""
    config = recipe_of(name).model
    if "base_filters" in type(config).model_fields:
        config = config.model_copy(update={"base_filters": 4})
    torch.manual_seed(seed)
    return models.build(config, signature)


def images_of(signature: Signature, num_images: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(
        num_images, signature.in_channels, signature.image_size, signature.image_size, generator=generator
    )


def test_there_is_at_least_one_model_for_each_task():
    assert {models.load(name).Config.task for name in NAMES} == {"classification", "segmentation"}


def test_an_unknown_model_suggests_the_nearest():
    with pytest.raises(RecipeError, match=r"'custom_cn'; did you mean 'custom_cnn'\?"):
        models.load("custom_cn")


@every_model
def test_its_docstring_names_the_source(name):
    assert "Source:" in (models.load(name).__doc__ or "")


@every_model
def test_its_config_is_called_like_its_file(name):
    assert models.load(name).Config().name == name


@every_model
def test_its_yaml_gives_a_recipe_for_it(name):
    recipe = recipe_of(name)

    assert recipe.model.name == name
    assert recipe.task == models.load(name).Config.task
    assert Recipe.from_values(recipe.values()) == recipe


@every_model
def test_its_settings_are_frozen_and_refuse_an_unknown_key(name):
    config = models.load(name).Config()

    with pytest.raises(ValidationError, match="frozen"):
        config.name = "other"
    with pytest.raises(ValidationError, match="no_such_key"):
        type(config)(no_such_key=1)


@every_model
def test_every_setting_but_its_name_is_described(name):
    fields = models.load(name).Config.model_fields

    assert [field for field, info in fields.items() if field != "name" and not info.description] == []


@every_model
@pytest.mark.parametrize("signature", SIGNATURES, ids=str)
def test_its_output_has_the_shape_of_its_task(name, signature):
    model = built(name, signature).eval()

    with torch.inference_mode():
        output = model(images_of(signature))

    pixels = (signature.image_size,) * 2 if models.load(name).Config.task == "segmentation" else ()
    assert output.shape == (2, signature.out_channels, *pixels)
    assert output.isfinite().all()


@every_model
def test_gradients_reach_every_parameter(name):
    model = built(name, SIGNATURES[0]).train()

    model(images_of(SIGNATURES[0], num_images=4)).square().mean().backward()

    untouched = [path for path, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untouched == []


@every_model
def test_a_batch_equals_one_by_one(name):
    model = built(name, SIGNATURES[0]).eval()
    images = images_of(SIGNATURES[0], num_images=3)

    with torch.inference_mode():
        together = model(images)
        alone = torch.cat([model(image[None]) for image in images])

    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@every_model
def test_saved_equals_loaded(name, tmp_path):
    model, other = built(name, SIGNATURES[0]).eval(), built(name, SIGNATURES[0], seed=1).eval()
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")

    other.load_state_dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))

    images = images_of(SIGNATURES[0])
    with torch.inference_mode():
        assert torch.equal(model(images), other(images))


@every_model
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(name):
    first, same, other = (built(name, SIGNATURES[0], seed).state_dict() for seed in (0, 0, 1))

    assert all(torch.equal(first[path], same[path]) for path in first)
    assert any(not torch.equal(first[path], other[path]) for path in first)


@every_model
@pytest.mark.parametrize("size_px", BAD_SIZES_PX)
def test_a_size_that_it_cannot_take_is_refused_with_one_that_it_can(name, size_px):
    works_px = size_px
    text = refusal(name, size_px)
    if text:
        named = re.search(r"--image-size (\d+)", text)
        assert str(size_px) in text
        assert named, f"no size to use instead: {text}"
        works_px = int(named[1])

    signature = Signature(1, 2, works_px)
    with torch.inference_mode():
        assert built(name, signature).eval()(images_of(signature)).isfinite().all()


def refusal(name: str, size_px: int) -> str:
    """What the model says to a size; nothing where it takes it."""
    try:
        built(name, Signature(1, 2, size_px))
    except ModelError as error:
        return str(error)
    return ""
