from __future__ import annotations

from pathlib import Path

import pytest

from glioray import shipped as module
from glioray.errors import RecipeError, ServingError
from glioray.recipe import Recipe
from glioray.serving.settings import ServeArgs
from glioray.shipped import shipped

RECIPE, CONFIG = Path("search_spaces/custom_cnn.yaml"), Path("serve/local.yaml")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_where_there_is_none_the_recipe_and_the_config_that_ship_are_taken() -> None:
    assert Recipe.from_yaml(RECIPE).model.name == "custom_cnn"
    assert ServeArgs.from_yaml(CONFIG).registry == "registry"


def test_a_file_of_the_working_directory_comes_first(tmp_path: Path) -> None:
    CONFIG.parent.mkdir()
    CONFIG.write_text("applications: []")

    assert shipped(CONFIG) == CONFIG
    with pytest.raises(ServingError, match="has no application"):
        ServeArgs.from_yaml(CONFIG)


def test_what_neither_has_is_called_by_the_name_that_was_typed_and_the_nearest_shipped_one_is_named() -> None:
    with pytest.raises(
        RecipeError, match=r"^search_spaces/custom_cn.yaml: no such recipe; did you mean 'custom_cnn.yaml'"
    ):
        Recipe.from_yaml(Path("search_spaces/custom_cn.yaml"))


@pytest.mark.parametrize("path", ["custom_cnn.yaml", "docs/models.md", "/search_spaces/custom_cnn.yaml"])
def test_nothing_else_is_looked_for_elsewhere(path: str) -> None:
    assert shipped(Path(path)) == Path(path)


def test_an_installed_package_looks_into_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "glioray"
    (package / "shipped" / "serve").mkdir(parents=True)
    (package / "shipped" / "serve" / "local.yaml").touch()
    (tmp_path / RECIPE.parent).mkdir()
    (tmp_path / RECIPE).touch()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(module, "_PACKAGE", package)

    assert shipped(CONFIG) == package / "shipped" / CONFIG
    assert shipped(RECIPE) == RECIPE
