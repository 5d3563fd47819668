"""docs/new-architecture.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "new-architecture.md"
FILES = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.M | re.S)
COMMANDS = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```sh\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the files that the page gives."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("platform", "search_spaces", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for path, content in FILES.findall(PAGE.read_text(encoding="utf-8")):
        assert not (copy / path).exists()
        (copy / path).write_text(content, encoding="utf-8")
    return copy


def follow(project: Path, heading: str) -> str:
    """What the commands below a heading print; each must succeed."""
    commands = dict(COMMANDS.findall(PAGE.read_text(encoding="utf-8")))[heading]
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PYTHONPATH": str(project / "platform"),
        "PATH": os.pathsep.join([str(bin_folder), os.environ["PATH"]]),
        "COLUMNS": "200",
    }
    printed = ""
    for command in commands.splitlines():
        done = subprocess.run(command.split(), cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout + done.stderr
    return printed


def test_the_page_gives_one_model_file_and_its_recipe():
    paths = [Path(path) for path, _ in FILES.findall(PAGE.read_text(encoding="utf-8"))]

    assert [path.parent for path in paths] == [Path("platform/glioray/models"), Path("search_spaces")]
    assert paths[0].stem == paths[1].stem


@pytest.mark.timeout(900)
def test_the_new_model_is_listed_and_keeps_the_contract(project):
    printed = follow(project, "Is it one?")

    assert re.search(r"conv_mixer\W+classification", printed)
    assert "model.kernel_px" in printed
    assert int(re.search(r"(\d+) passed", printed)[1]) > 20


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=" ".join)
def test_the_new_model_is_written_as_the_others(project, check):
    ruff = Path(sys.executable).with_name("ruff")

    done = subprocess.run(
        [ruff, *check, "platform/glioray/models/conv_mixer.py"], cwd=project, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_the_new_model_trains_and_is_evaluated(project):
    """Starts Ray: the page's `glioray train` does."""
    printed = follow(project, "Trained for three epochs")

    assert (project / "runs" / "first" / "bundle" / "model.safetensors").is_file()
    assert "accuracy" in printed
