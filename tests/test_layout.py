"""What must hold of the tree itself."""

from __future__ import annotations

import ast
import platform
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "platform").rglob("*.py")) + sorted((ROOT / "jobs").glob("*.py"))


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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_calls_nothing_that_runs_code_from_data(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in {"pickle.load", "pickle.loads", "yaml.load", "eval", "exec", "os.system"}, name
        assert not name.endswith("extractall"), name
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert keywords.get("shell") != "True", name
        if name == "torch.load":
            assert keywords.get("weights_only") == "True"
        if name in {"np.load", "numpy.load"}:
            assert keywords.get("allow_pickle") == "False"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a tree without git")
def test_no_tracked_file_is_over_a_megabyte() -> None:
    assert [path for path in tracked() if path.exists() and path.stat().st_size > 1_000_000] == []
