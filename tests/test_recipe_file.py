from __future__ import annotations

from pathlib import Path

import pytest

from glioray.errors import RecipeError
from glioray.recipe import Recipe
from glioray.recipe_file import command_of, read_recipe

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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"recipe: [unclosed", "not readable as YAML"),
        (b"\x89PNG\xff\xfe", "not readable as YAML"),
        (b"recipe: {seed: 2020-99-99}", "not readable as YAML: month must be in 1..12"),
        (b"task: classification\n", "has no `recipe:` at its top"),
        (b"", "has no `recipe:` at its top"),
        (b"recipe: {}\nsarch: {}\n", "'sarch' is unknown at the top; did you mean 'search'?"),
        (b"recipe: {}\n1: a\nx: b", "'1' is unknown at the top"),
        (b"recipe: {}\n", "task: missing"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_by_its_name(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError) as refusal:
        Recipe.from_yaml(file)
    assert str(file) in str(refusal.value)
    assert expected in str(refusal.value)


def test_a_misspelt_file_suggests_its_neighbor() -> None:
    path = Path(__file__).parents[1] / "search_spaces" / "custom_cn.yaml"
    with pytest.raises(RecipeError, match=r"no such recipe; did you mean 'custom_cnn.yaml'\?"):
        Recipe.from_yaml(path)


@pytest.mark.parametrize("word", ["custom_cnn", "custom_cnn.yaml"])
def test_a_bare_name_is_a_recipe_of_search_spaces(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = read_recipe(Path("search_spaces/custom_cnn.yaml"))
    monkeypatch.chdir(tmp_path)
    assert read_recipe(Path(word)) == shipped

    (tmp_path / "custom_cnn.yaml").write_text("recipe: {seed: 7}\n")
    assert read_recipe(Path("custom_cnn.yaml")) == {"seed": 7}


def test_a_bare_name_that_is_none_gets_a_near_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"^search_spaces/custom_cn.yaml: no such recipe; did you mean 'custom_cnn.y"):
        read_recipe(Path("custom_cn"))


def test_a_command_can_be_pasted_with_all_its_settings() -> None:
    settings = ["data.path=my data", "budget.epochs=2"]
    pasted = command_of("train", Path("x.yaml"), settings, "--name", "one")
    assert pasted == "glioray train x.yaml --set 'data.path=my data' --set budget.epochs=2 --name one"
