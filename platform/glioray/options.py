"""From what was typed at a command line to checked settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from glioray.errors import RecipeError
from glioray.recipe import Recipe

Settings = TypeVar("Settings", bound=BaseModel)


def chosen_recipe(path: Path, settings: Sequence[str]) -> Recipe:
    """The recipe of a file with each `path=value` of `--set`; values are read as YAML.

    Raises:
        RecipeError: the file or a setting is wrong.
    """
    recipe = Recipe.from_yaml(path)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting!r}: write it as path=value, as optimizer.learning_rate=1e-3")
        try:
            plain = yaml.safe_load(value)
        except yaml.YAMLError:
            raise RecipeError(f"--set {setting!r}: the value is not readable as YAML; quote it") from None
        recipe = recipe.with_values(name, plain)
    return recipe


def checked(settings: type[Settings], **options: object) -> Settings:
    """Settings from options of the same names.

    Raises:
        RecipeError: an option is out of range.
    """
    try:
        return settings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise RecipeError(message) from None
        option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise RecipeError(f"{option} {first['input']!r} is refused: {message[0].lower()}{message[1:]}") from None
