"""The image, without building it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import glioray

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in TEXT.splitlines() if line.startswith(f"{name} ")]


def copied() -> list[str]:
    return [source for line in instructions("COPY") for source in line.split()[:-1]]


def test_all_that_is_copied_is_in_git() -> None:
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for source in copied():
        assert any(name == source or name.startswith(f"{source}/") for name in names), source


def test_dockerignore_lets_in_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert sorted(line.removeprefix("!") for line in lines if line.startswith("!")) == sorted(copied())


def test_it_does_not_run_as_root_and_holds_no_secret() -> None:
    assert instructions("USER")[-1] == "glioray"
    assert "RAY_AUTH_MODE=token" in TEXT
    assert not re.search(r"RAY_AUTH_TOKEN=|_KEY=|PASSWORD|SECRET", TEXT)


def test_it_is_pythons_pinned_and_named_for_this_version() -> None:
    assert re.fullmatch(r"python:3\.11-slim-\w+", instructions("FROM")[0])
    assert f'image.version="{glioray.__version__}"' in TEXT
    assert all("--constraint constraints.txt" in line for line in instructions("RUN") if "pip install" in line)
