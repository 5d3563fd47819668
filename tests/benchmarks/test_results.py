"""The tables of results ask for recipes that there are."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
TABLES = sorted((ROOT / "benchmarks" / "tables").glob("*.yaml"))


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("results")


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_row_of_a_table_is_a_recipe(results, monkeypatch, tmp_path, table):
    monkeypatch.chdir(ROOT)
    asked = results.Asked.read(table)
    options = results.Options(tmp_path, "cpu", None, None)

    recipes = [
        results.recipe_of(member, asked, options, asked.seeds[0], None)
        for row in asked.rows
        for member in asked.members(row)
    ]
    assert len({recipe.fingerprint for recipe in recipes}) == sum(1 for row in asked.rows if row.recipe)
