"""From what was typed at a command line to checked settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from glioray.errors import RecipeError
from glioray.models import _contract as models
from glioray.plain_values import flat, from_yaml
from glioray.problems import refusal, words_of
from glioray.recipe import Recipe
from glioray.recipe_file import read_recipe
from glioray.tasks import _contract as tasks

Settings = TypeVar("Settings", bound=BaseModel)


def chosen_recipe(path: Path, settings: Sequence[str]) -> Recipe:
    """The recipe of a file with each `path=value` of `--set`; values are read as YAML.

    Raises:
        RecipeError: the file or a setting is wrong.
    """
    return Recipe.from_yaml(path).with_settings(values_of(settings, "--set"))


def planned_recipe(path: Path, settings: Sequence[str]) -> tuple[Recipe, list[str]]:
    """As `chosen_recipe`; with `plan: auto` what neither file nor `--set` gives is taken from the data.

    Returns:
        The recipe, and a line for each setting that the data decided.
    """
    recipe = chosen_recipe(path, settings)
    if recipe.plan == "off":
        return recipe, []
    from glioray.training.auto import resolved

    given = {*flat(read_recipe(path)), *values_of(settings, "--set")}
    recipe, taken = resolved(recipe, given)
    return recipe, [f"plan: {found.path} = {found.value} ({found.why})" for found in taken]


def values_of(settings: Sequence[str], option: str) -> dict[str, Any]:
    """Names and plain values of `NAME=VALUE`, read as YAML; `option` is what errors call them.

    Raises:
        RecipeError: one is not so written.
    """
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(f"{option} {setting!r}: write it as NAME=VALUE, as optimizer.learning_rate=1e-3")
        try:
            values[name] = from_yaml(value)
        except ValueError:
            raise RecipeError(f"{option} {setting!r}: the value is not readable as YAML; quote it") from None
    return values


@dataclass(frozen=True)
class Setting:
    """One setting of a recipe: its dotted path, its default, or that it must be given, and what it does."""

    path: str
    default: object
    text: str


def settings_of(model: str) -> list[Setting]:
    """Every setting of a recipe with this architecture.

    Raises:
        RecipeError: no architecture has this name.
    """
    config = models.load(model).Config
    sections = {"model": config, "loss": tasks.loss_config(config.task)}
    return list(_settings(Recipe, sections, ""))


def _settings(section: type[BaseModel], sections: Mapping[str, type[BaseModel]], prefix: str) -> Iterator[Setting]:
    for name, field in section.model_fields.items():
        inner = sections.get(name, field.annotation) if not prefix else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _settings(inner, {}, f"{prefix}{name}.")
        else:
            default = "(give it)" if field.is_required() else field.get_default(call_default_factory=True)
            choices = " | ".join(map(str, get_args(inner))) if get_origin(inner) is Literal else ""
            yield Setting(f"{prefix}{name}", default, field.description or choices)


def checked(settings: type[Settings], **options: object) -> Settings:
    """Settings from options of the same names.

    Raises:
        RecipeError: an option is out of range.
    """
    try:
        return settings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise RecipeError(words_of(first)) from None
        option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise RecipeError(f"{option} {refusal(first)}") from None
