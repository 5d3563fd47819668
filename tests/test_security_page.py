"""docs/security.md names tests that are there, and every guard that is broken on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()


def named_tests() -> Iterator[tuple[str, str]]:
    """(file below tests/, function or nothing) of each; `::NAME` is of the file before it."""
    file = ""
    for found, function in re.findall(r"`([\w/]*test_\w+\.py)?(?:::(test_\w+))?`", PAGE):
        file = found or file
        if found or function:
            yield file, function


def test_every_test_that_the_page_names_is_there() -> None:
    named = list(named_tests())
    assert len(named) > 60
    sources = {file: (ROOT / "tests" / file).read_text() for file, _ in named}
    assert [f"{file}::{name}" for file, name in named if name and f"def {name}(" not in sources[file]] == []


def test_the_page_lists_every_guard_with_what_its_tests_said() -> None:
    names = [row["name"] for row in yaml.safe_load((ROOT / "benchmarks" / "guards.yaml").read_text())]
    assert [name for name in names if f"| {name} |" not in PAGE] == []


def test_the_page_says_what_it_is_not() -> None:
    assert "Not a medical device." in PAGE
