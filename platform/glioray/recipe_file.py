"""A file of `search_spaces/` or `serve/` as it was written: its parts, unchecked; and the command that takes one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glioray.errors import GliorayError, RecipeError, did_you_mean
from glioray.plain_values import from_yaml
from glioray.shipped import shipped


def command_of(verb: str, recipe: Path, settings: Sequence[str], *more: str) -> str:
    """The command of a recipe as it can be pasted, with each `--set` that was typed, and what else it is given."""
    chosen = [word for setting in settings for word in ("--set", setting)]
    return shlex.join(["glioray", verb, str(recipe), *chosen, *more])


def read_recipe(path: Path) -> Any:
    """What stands under `recipe:` in a file of `search_spaces/`, unchecked.

    Raises:
        RecipeError: see `read_file`.
    """
    return read_file(path)["recipe"]


def read_file(path: Path) -> dict[str, Any]:
    """A file of `search_spaces/`, there or shipped: `recipe:`, and `search:` where it has one, both unchecked.

    Args:
        path: of the file; `custom_cnn` and `custom_cnn.yaml` are `search_spaces/custom_cnn.yaml` where nothing here has
            that name.

    Raises:
        RecipeError: the file is not there, is not YAML, or has something else at its top.
    """
    if path.parent == Path() and path.suffix in ("", ".yaml") and not path.is_file():
        path = Path("search_spaces", path.name).with_suffix(".yaml")
    content = read_shipped(path, "recipe", RecipeError)
    if not isinstance(content, dict) or "recipe" not in content:
        raise RecipeError(f"{path}: has no `recipe:` at its top; put the settings of the run below one")
    if unknown := sorted(map(str, set(content) - {"recipe", "search"})):
        raise RecipeError(
            f"{path}: {unknown[0]!r} is unknown at the top{did_you_mean(unknown[0], ['recipe', 'search'])}"
        )
    return content


def read_shipped(path: Path, what: str, kind: type[GliorayError]) -> Any:
    """The value of a YAML file that is there or ships under this name.

    Raises:
        GliorayError: of the given kind: there is no such file (`what` it would be), or it is not YAML.
    """
    try:
        return from_yaml(shipped(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = did_you_mean(path.name, [other.name for other in shipped(path.parent).glob("*.yaml")])
        raise kind(f"{path}: no such {what}{near}") from None
    except (OSError, ValueError) as error:
        raise kind(f"{path}: not readable as YAML: {error}") from None
