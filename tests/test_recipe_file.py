from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from glioray.errors import RecipeError
from glioray.recipe import Recipe
from glioray.recipe_file import plain_yaml

EIGHT_LINES = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 8)}]\n" for level in range(1, 8)
)


def test_plain_values_are_read_as_yaml_has_them() -> None:
    assert plain_yaml("a: [1, 2.5, yes, null]\nb: &name text") == {"a": [1, 2.5, True, None], "b": "text"}


def test_a_few_lines_that_name_gigabytes_are_refused(tmp_path: Path) -> None:
    """One message about `a7` would be 16 million words."""
    file = tmp_path / "bomb.yaml"
    file.write_text("recipe:\n" + "".join(f"  {line}\n" for line in EIGHT_LINES.splitlines()))
    with pytest.raises(RecipeError, match=r"bomb\.yaml: not readable as YAML: it has an alias") as refusal:
        Recipe.from_yaml(file)
    assert len(str(refusal.value)) < 300


def test_a_text_nested_as_no_settings_are_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="nested more than 50 levels"):
        plain_yaml("recipe: " + "[" * 20_000)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [echo]", "!!python/name:os.system", "!!python/object/new:set [[1]]"]
)
def test_a_tag_that_would_make_an_object_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        plain_yaml(f"recipe: {text}")
