"""What must hold of the tree itself."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines()]


def test_platform_is_the_standard_librarys() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert platform.python_version()


def test_the_two_commands_stand_first_in_the_readme() -> None:
    head = "\n".join((ROOT / "README.md").read_text().splitlines()[:25])
    assert "make demo" in head
    assert "make test" in head


def test_the_readme_says_what_it_is_not() -> None:
    assert "not a medical device" in (ROOT / "README.md").read_text().lower()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a tree without git")
def test_no_tracked_file_is_over_a_megabyte() -> None:
    assert [path for path in tracked() if path.exists() and path.stat().st_size > 1_000_000] == []
