"""The documentation builds, says what the schemas say, and leads nowhere that is not there."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from glioray.models import _contract as models
from glioray.options import settings_of
from glioray.serving.settings import ServeArgs
from glioray.tuning.settings import Search

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs" / "site"


def script(name: str) -> ModuleType:
    """A file of docs/site/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_site_{name}", SITE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: strict, each of its links followed, and nothing loaded from elsewhere."""
    out = tmp_path_factory.mktemp("docs") / "site"
    found = [str(ROOT / "platform"), *filter(None, [os.environ.get("PYTHONPATH")])]
    built = subprocess.run(
        [sys.executable, SITE / "build.py", out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(found)},
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return out


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))


def test_every_page_of_docs_is_on_the_site(site):
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}

    assert pages
    assert {page for page in pages if not (site / f"{page}.html").exists()} == set()


def test_every_setting_of_a_recipe_is_on_its_page(site):
    recipe, architectures = (text_of(site / "settings" / f"{name}.html") for name in ("recipe", "architectures"))

    for name in models.names():
        for setting in settings_of(name):
            page = architectures if setting.path.startswith("model.") else recipe
            assert setting.path in page or setting.path == "model.name"


def test_every_setting_of_a_search_and_of_a_service_is_on_its_page(site):
    search, service = (text_of(site / "settings" / f"{name}.html") for name in ("search", "service"))

    assert [name for name in Search.model_fields if f"search.{name}" not in search] == []
    assert [name for name in ServeArgs.model_fields if name not in service] == []


def test_options_of_the_command_line_are_called_as_they_are_typed(site):
    page = text_of(site / "settings" / "commands.html")

    assert "--set" in page
    assert "--json" in page
    assert "--as-json" not in page
    assert "RECIPE" in page


def test_bounds_and_defaults_are_those_of_the_schema():
    rows = {field.path: field for field in script("settings").fields_of(ServeArgs)}

    assert rows["max_queued_requests"][1:4] == ("whole number", "≥\u00a01, ≤\u00a0100,000", "`64`")
    assert rows["max_replicas"][1:4] == ("whole number or none", "≥\u00a01, ≤\u00a0256", "none")
    assert rows["precision"][1:4] == ("`fp32`, `bf16`", "", "`fp32`")
    assert rows["volumes.at_once"].default == "`1`"


def test_docstrings_are_on_the_pages_of_the_package(site):
    assert "From a file's bytes to an answer" in text_of(site / "python" / "serving.html").replace("&#39;", "'")


def test_every_page_says_what_it_is_not(site):
    assert [page for page in site.rglob("*.html") if "not a medical device" not in text_of(page).lower()] == []


def test_a_link_that_leads_nowhere_and_a_script_from_elsewhere_are_told(tmp_path):
    (tmp_path / "other.html").write_text('<h2 id="there">There</h2>')
    (tmp_path / "index.html").write_text(
        '<a href="other.html#there">fine</a><a href="other.html#gone">no anchor</a><a href="gone.html">no page</a>'
        '<a href="https://example.org">may be anything</a><script src="https://cdn.example.org/a.js"></script>'
    )

    assert script("links").problems(tmp_path) == [
        "index.html: loads https://cdn.example.org/a.js from elsewhere",
        "index.html: other.html#gone: there is no such place in that page",
        "index.html: gone.html: there is no such file",
    ]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_top_pages_lead_to_files_of_the_project(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))

    assert [link for link in links if not (ROOT / link).exists()] == []
