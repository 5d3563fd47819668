from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from glioray.training.watching.origin import git_state, package_versions

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@needs_git
def test_a_work_tree_gives_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("one = 1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    commit, is_changed = git_state(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    assert not is_changed
    (tmp_path / "__init__.py").write_text("one = 2\n")
    assert git_state(tmp_path) == (commit, True)


@needs_git
def test_a_package_that_was_installed_below_another_repository_has_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "not ours")
    (tmp_path / "__init__.py").write_text("")
    assert git_state(tmp_path) == (None, False)


def test_without_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert git_state(tmp_path) == (None, False)


def test_versions_are_of_python_and_of_what_decides_a_result() -> None:
    assert {"python", "glioray", "torch", "ray"} <= set(package_versions())
