"""What every architecture must keep to; a new file in `models/` is covered by being there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import safetensors.torch
import torch
from pydantic import ValidationError
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError, RecipeError
from glioray.explain.methods import heat_maps
from glioray.models import _contract as models
from glioray.models._fold import folded
from glioray.models._maps import maps
from glioray.recipe import Recipe

SEARCH_SPACES = Path(__file__).parents[2] / "search_spaces"
NAMES = models.names()
SIGNATURES = [Signature(1, 4, 96), Signature(3, 2, 128)]
BAD_SIZES_PX = (1, 17, 45, 75)
SMALL = {  # where a model has such a setting
    "base_filters": 4,
    "head_units": 16,
    "dim": 16,
    "heads": 2,
    "mlp": 16,
    "architecture": "test_resnet",
    "decoder_filters": 2,
}


def choices() -> list[tuple[str, str, Any]]:
    """Every value of every setting that has a few, as (model, setting, value)."""
    found = []
    for name in NAMES:
        for field, info in models.load(name).Config.model_fields.items():
            values = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
            values = (False, True) if info.annotation is bool else values
            found += [(name, field, value) for value in values if field != "name"]
    return found


every_model = pytest.mark.parametrize("name", NAMES)
every_classifier = pytest.mark.parametrize(
    "name", [name for name in NAMES if models.load(name).Config.task == "classification"]
)
every_choice = pytest.mark.parametrize(("name", "field", "value"), choices())

every_deep_supervision = pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, field, value in choices() if field == "deep_supervision"]
)


def recipe_of(name: str) -> Recipe:
    return Recipe.from_yaml(SEARCH_SPACES / f"{name}.yaml")


def built(name: str, signature: Signature, seed: int = 0, **changed: Any) -> nn.Module:
    """The model of the name's own YAML, small where it says how small it may be, with some settings changed."""
    config = recipe_of(name).model
    small = {field: value for field, value in SMALL.items() if field in type(config).model_fields}
    torch.manual_seed(seed)
    return models.build(type(config)(**{**config.model_dump(), **small, **changed}), signature)


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
    assert untouched(built(name, SIGNATURES[0])) == []


@every_choice
def test_gradients_reach_every_parameter_whatever_is_chosen(name, field, value):
    assert untouched(built(name, SIGNATURES[0], **{field: value})) == []


@every_choice
def test_an_answer_is_one_tensor_whatever_is_chosen(name, field, value):
    model = built(name, SIGNATURES[0], **{field: value}).eval()

    with torch.inference_mode():
        assert model(images_of(SIGNATURES[0])).isfinite().all()


@every_deep_supervision
def test_supervised_levels_are_logits_each_half_as_large_as_the_one_before(name, value):
    model = built(name, SIGNATURES[0], deep_supervision=value).train()

    levels = outputs_of(model, images_of(SIGNATURES[0]))

    sizes = [96 // 2**level for level in range(len(levels))]
    assert [level.shape for level in levels] == [(2, 4, size, size) for size in sizes]
    assert (len(levels) > 1) == value


@every_model
def test_it_learns_in_bf16_and_channels_last(name):
    model = built(name, SIGNATURES[0]).train().to(memory_format=torch.channels_last)
    images = images_of(SIGNATURES[0]).to(memory_format=torch.channels_last)

    with torch.autocast("cpu", torch.bfloat16):
        outputs = outputs_of(model, images)
    sum(output.float().square().mean() for output in outputs).backward()

    assert all(output.isfinite().all() for output in outputs)
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@every_model
def test_its_feature_maps_can_be_looked_at_and_it_answers_as_before(name):
    model, images = built(name, SIGNATURES[0]).eval(), images_of(SIGNATURES[0])
    with torch.inference_mode():
        before = model(images)

    found = maps(model, images, of=["features"])

    assert found
    assert all(value.ndim == 4 and len(value) == 2 for value in found.values())
    with torch.inference_mode():
        assert torch.equal(model(images), before)


@every_classifier
def test_gradcam_is_a_map_over_the_image_alone_as_in_a_batch_and_leaves_nothing_behind(name):
    model, images = built(name, SIGNATURES[0]).train(), images_of(SIGNATURES[0], num_images=3)
    classes = torch.tensor([0, 3, 1])

    heat = heat_maps(model, images, classes, "gradcam")
    alone = [heat_maps(model, images[n : n + 1], classes[n : n + 1], "gradcam") for n in range(3)]

    assert heat.shape == (3, 96, 96)
    assert heat.dtype == torch.float32
    assert heat.min() >= 0
    assert set(heat.amax((1, 2)).tolist()) <= {0.0, 1.0}
    assert heat.any()
    assert torch.equal(heat_maps(model, images, classes, "gradcam"), heat)
    torch.testing.assert_close(heat, torch.cat(alone), rtol=0, atol=1e-5)
    assert all(weight.grad is None for weight in model.parameters())
    assert model.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@every_classifier
def test_gradcam_is_the_same_when_batchnorm_is_folded_and_channels_are_last(name):
    model, images = built(name, SIGNATURES[0]).eval(), images_of(SIGNATURES[0])
    served = folded(model).to(memory_format=torch.channels_last)
    classes = torch.tensor([0, 1])

    heat = heat_maps(served, images.to(memory_format=torch.channels_last), classes, "gradcam")

    torch.testing.assert_close(heat, heat_maps(model, images, classes, "gradcam"), rtol=0, atol=1e-4)


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


def outputs_of(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All that a model gives: one tensor, or one for each supervised level."""
    output = model(images)
    return output if isinstance(output, tuple) else (output,)


def untouched(model: nn.Module) -> list[str]:
    """Parameters without a gradient in training."""
    for weight in model.parameters():
        if not weight.any():  # at first the last norm of a branch may be zero on purpose, and block what is before it
            nn.init.normal_(weight, std=0.1)
    outputs = outputs_of(model.train(), images_of(SIGNATURES[0], num_images=4))
    sum(output.square().mean() for output in outputs).backward()
    return [path for path, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]


def refusal(name: str, size_px: int) -> str:
    """What the model says to a size; nothing where it takes it."""
    try:
        built(name, Signature(1, 2, size_px))
    except ModelError as error:
        return str(error)
    return ""
