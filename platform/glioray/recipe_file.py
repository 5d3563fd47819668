"""A file of `search_spaces/` as it was written: its parts, unchecked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from glioray.errors import RecipeError, did_you_mean
from glioray.shipped import shipped

MOST_LEVELS = 50


def read_recipe(path: Path) -> Any:
    """What stands under `recipe:` in a file of `search_spaces/`, unchecked.

    Raises:
        RecipeError: see `read_file`.
    """
    return read_file(path)["recipe"]


def plain_yaml(text: str) -> Any:
    """Plain values of a YAML text from anybody.

    Raises:
        yaml.YAMLError: it is no YAML, is nested as no settings are, or has an alias: a few lines of them name a value
            of gigabytes, which any message about it would write out.
    """
    level = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*NAME), which is not read: write the value out")
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise yaml.YAMLError(f"it is nested more than {MOST_LEVELS} levels deep")
    return yaml.safe_load(text)


def read_file(path: Path) -> dict[str, Any]:
    """A file of `search_spaces/`, there or shipped: `recipe:`, and `search:` where it has one, both unchecked.

    Raises:
        RecipeError: the file is not there, is not YAML, or has something else at its top.
    """
    try:
        content = plain_yaml(shipped(path).read_text())
    except FileNotFoundError:
        near = did_you_mean(path.name, [other.name for other in shipped(path.parent).glob("*.yaml")])
        raise RecipeError(f"{path}: no such recipe{near}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or "recipe" not in content:
        raise RecipeError(f"{path}: has no `recipe:` at its top; put the settings of the run below one")
    if unknown := sorted(set(content) - {"recipe", "search"}):
        raise RecipeError(
            f"{path}: {unknown[0]!r} is unknown at the top{did_you_mean(unknown[0], ['recipe', 'search'])}"
        )
    return content
