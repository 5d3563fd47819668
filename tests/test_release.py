"""What must agree before a version has a tag."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import glioray

ROOT = Path(__file__).parent.parent
REQUIRED = {"cff-version", "message", "title", "authors"}
"""by the schema 1.2.0 of the Citation File Format, which cffconvert asks for"""
KNOWN = REQUIRED | {"type", "abstract", "version", "license", "keywords"}
SEMANTIC = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


@pytest.fixture(scope="module")
def citation() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_citation_has_what_its_format_asks_for_and_nothing_that_it_does_not_know(citation) -> None:
    assert set(citation) >= REQUIRED
    assert set(citation) <= KNOWN
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(isinstance(citation[field], str) and citation[field] for field in ("message", "title", "abstract"))
    assert all(isinstance(word, str) for word in citation["keywords"])
    assert len(set(citation["keywords"])) == len(citation["keywords"])


def test_its_author_is_an_entity_and_no_person(citation) -> None:
    assert citation["authors"] == [{"name": "The glioray authors"}]


def test_version_and_license_stand_alike_everywhere(citation) -> None:
    project = (ROOT / "pyproject.toml").read_text()

    assert SEMANTIC.fullmatch(glioray.__version__)
    assert citation["version"] == glioray.__version__
    assert f'license = "{citation["license"]}"' in project


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0].partition(",")[0] == glioray.__version__
    assert [heading for heading in headings if heading.endswith("unreleased")] in ([], headings[:1])


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="a tree without git")
def test_a_tag_of_this_commit_is_its_version_and_is_in_the_changelog() -> None:
    done = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    tags = [tag for tag in done.stdout.split() if re.match(r"v\d", tag)]

    assert tags in ([], [f"v{glioray.__version__}"])
    if tags:
        assert "unreleased" not in (ROOT / "CHANGELOG.md").read_text().partition("\n## ")[2].partition("\n")[0]
