"""The notebooks run from a clean start, and what they show is small, honest and of no machine."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
CLUSTER = "cluster"
MOST_BYTES = 300_000


def runner() -> ModuleType:
    """notebooks/run.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def pictures(notebook: nbformat.NotebookNode) -> list[int]:
    """In which cells there are some."""
    outputs = [(number, output) for number, cell in enumerate(notebook.cells) for output in cell.get("outputs", ())]
    return [number for number, output in outputs if "image/png" in output.get("data", {})]


def require_the_same_story(name: str, folder: Path) -> None:
    """Runs it anew: what is committed must have come from these cells."""
    found = runner().executed(FOLDER / f"{name}.ipynb", folder)

    assert pictures(found)
    assert pictures(found) == pictures(read(name))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in NAMES if name != CLUSTER])
def test_a_notebook_runs_from_a_clean_start_and_shows_what_is_committed(name, tmp_path):
    require_the_same_story(name, tmp_path)


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_the_notebook_of_the_cluster_runs_from_a_clean_start_and_shows_what_is_committed(tmp_path):
    """Starts Ray: the notebook is about that."""
    require_the_same_story(CLUSTER, tmp_path)


def test_the_three_notebooks_are_there():
    assert NAMES == ["classification", CLUSTER, "segmentation"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_first_what_it_is_and_what_it_is_not(name):
    first = read(name).cells[0].source

    assert "SYNTHETIC" in first
    assert "Not a medical device." in first.replace("\n", " ")


@pytest.mark.parametrize("name", NAMES)
def test_what_a_notebook_shows_is_small_without_an_error_and_of_no_machine(name):
    path = FOLDER / f"{name}.ipynb"
    outputs = [output for cell in read(name).cells for output in cell.get("outputs", ())]

    assert path.stat().st_size < MOST_BYTES
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert re.findall(r"(?<![\w.:/])/(?:home|root|tmp|work|opt|usr|Users)/\w+", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_score_in_a_notebook_says_that_it_is_synthetic(name):
    shown = [output.get("text", "") for cell in read(name).cells for output in cell.get("outputs", ())]
    scores = [
        line for text in shown for line in text.splitlines() if "split by" in line and "fold by group" not in line
    ]

    assert scores or name == CLUSTER
    assert [line for line in scores if not line.startswith("SYNTHETIC")] == []
