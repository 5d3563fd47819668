"""Small scans in the layout of BraTS whose survival follows from the mask, and quick models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from glioray.survival.models import CANDIDATES
from glioray.survival.nested import Makers

NUM_PATIENTS = 30
HEAD = "Brats20ID,Age,Survival_days,Extent_of_Resection"


@pytest.fixture(autouse=True)
def _coarse_pictures_and_few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing, on paper and of patients, is most of the time of reports as small as these."""
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 40)
    monkeypatch.setattr("glioray.evaluation.bootstrap.draws.__defaults__", (0, 200))


@pytest.fixture(scope="session")
def quick() -> Makers:
    """One model, so that no inner folds are needed."""
    return {"ridge, alpha 1": CANDIDATES["ridge, alpha 1"]}


@pytest.fixture(scope="session")
def brats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty patients of 16 x 16 x 8 voxels; a larger core lives shorter, age says nothing. One has no line."""
    root = tmp_path_factory.mktemp("brats") / "raw"
    rng = np.random.default_rng(0)
    lines = [HEAD]
    for number in range(NUM_PATIENTS + 1):
        name = f"B{number:02}"
        mask = np.zeros((16, 16, 8), dtype=np.uint8)
        size = 2 + number % 6
        mask[4 : 5 + size, 4 : 5 + size, 2:6] = 2
        mask[4 : 4 + size, 4 : 4 + size, 2:6] = 4
        _write(root / name, name, rng.integers(1, 800, (4, 16, 16, 8)) + 400 * (mask > 0), mask)
        days = round(1200 / size * float(np.exp(0.05 * rng.normal())))
        if number < NUM_PATIENTS:
            lines.append(f"{name},{rng.uniform(40, 80):.1f},{days},{'GTR' if number % 3 else 'NA'}")
    lines[5] = lines[5].replace(lines[5].split(",")[2], "ALIVE (100 days later)")
    (root / "survival_info.csv").write_text("\n".join([*lines, "B99,60,300,GTR"]) + "\n")
    return root


def _write(folder: Path, name: str, sequences: np.ndarray, mask: np.ndarray) -> None:
    folder.mkdir(parents=True)
    affine = np.diag([4.0, 4.0, 6.0, 1.0])
    sequences[:, 0] = 0  # outside of the brain
    for sequence, values in zip(("flair", "t1", "t1ce", "t2"), sequences, strict=True):
        nibabel.Nifti1Image(values.astype(np.int16), affine).to_filename(folder / f"{name}_{sequence}.nii")
    nibabel.Nifti1Image(mask, affine).to_filename(folder / f"{name}_seg.nii")


@pytest.fixture
def silent() -> Callable[[str, int, int], None]:
    """Shows no progress."""
    return lambda *_: None
