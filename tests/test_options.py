from __future__ import annotations

import pytest

from glioray.errors import RecipeError
from glioray.models import _contract as models
from glioray.options import settings_of, values_of
from glioray.recipe import Recipe


@pytest.mark.parametrize("name", models.names())
def test_every_setting_of_a_recipe_is_listed_and_described(name):
    found = settings_of(name)

    assert [setting.path for setting in found if not setting.text] == []
    assert {"data.path", "optimizer.ema_decay", "augmentation.mixup", "answer.flips"} <= {
        setting.path for setting in found
    }


def test_a_listed_path_is_one_that_set_takes():
    recipe = Recipe.from_values(
        {"task": "segmentation", "data": {"path": "data"}, "model": {"name": "classic_unet"}, "loss": {}}
    )

    for setting in settings_of("classic_unet"):
        if setting.default != "(give it)":
            value = list(setting.default) if isinstance(setting.default, tuple) else setting.default
            recipe = recipe.with_values(setting.path, value)


def test_settings_are_those_of_the_task_of_the_architecture():
    paths = {setting.path for setting in settings_of("custom_cnn")}

    assert "loss.label_smoothing" in paths
    assert "loss.dice_weight" not in paths


def test_an_unknown_architecture_suggests_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'custom_cnn'"):
        settings_of("custom_cn")


def test_a_value_that_yaml_stumbles_over_is_refused():
    with pytest.raises(RecipeError, match="the value is not readable as YAML; quote it"):
        values_of(["data.path=2020-99-99"], "--set")
