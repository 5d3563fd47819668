from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("glioray.training.run", {"torchvision", "monai", "matplotlib", "timm", "optuna"}),
        ("glioray.training.recovery", {"torch"}),
        ("glioray.training.board", {"torch"}),
    ],
)
def test_what_ray_imports_in_its_processes_leaves_out_what_takes_seconds(module: str, spared: set[str]) -> None:
    """A training starts a dozen of them: with all of this, each of the larger ones took twice as long to come up."""
    code = f"import sys; spared = {spared!r}; import {module}; print(sorted(spared & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
