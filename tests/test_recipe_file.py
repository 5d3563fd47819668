from __future__ import annotations

from pathlib import Path

import pytest

from glioray.errors import RecipeError
from glioray.recipe import Recipe

EIGHT_LINES = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 8)}]\n" for level in range(1, 8)
)


def test_a_few_lines_that_name_gigabytes_are_refused(tmp_path: Path) -> None:
    """One message about `a7` would be 16 million words."""
    file = tmp_path / "bomb.yaml"
    file.write_text("recipe:\n" + "".join(f"  {line}\n" for line in EIGHT_LINES.splitlines()))
    with pytest.raises(RecipeError, match=r"bomb\.yaml: not readable as YAML: it has an alias") as refusal:
        Recipe.from_yaml(file)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [echo]", "!!python/name:os.system", "!!python/object/new:set [[1]]"]
)
def test_a_tag_that_would_make_an_object_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tag.yaml"
    file.write_text(f"recipe: {text}")
    with pytest.raises(RecipeError, match="could not determine a constructor"):
        Recipe.from_yaml(file)
