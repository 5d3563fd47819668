"""Untrained models of the smallest size that fit the phantom, and what they are asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glioray.data.prepared import PreparedDataset
from glioray.registry.bundle import ModelBundle

UNET = {"name": "attention_unet", "base_filters": 2, "depth": 2}
MakeBundle = Callable[..., ModelBundle]


@pytest.fixture(autouse=True)
def _coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of the time here."""
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 30)


@pytest.fixture
def unet(bundle_of: MakeBundle, volumes: PreparedDataset) -> ModelBundle:
    """An attention U-Net for the phantom's volumes."""
    return bundle_of(volumes, UNET)


@pytest.fixture
def cnn(bundle_of: MakeBundle, slices: PreparedDataset) -> ModelBundle:
    """A classifier of the phantom's slices."""
    return bundle_of(slices, {"name": "custom_cnn"})


@pytest.fixture
def case(phantom: Path) -> Path:
    """The folder of a case: four sequences and their mask."""
    return sorted(path for path in (phantom / "volumes").rglob("*") if path.is_dir())[-1]


@pytest.fixture
def picture(phantom: Path) -> Path:
    """A slice of one channel, of a glioma."""
    return sorted((phantom / "slices").rglob("glioma/*"))[0]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable:
    """Runs `glioray ARGUMENTS` in an empty folder; gives what it wrote on the two streams."""
    from glioray.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["glioray", *map(str, arguments)])
        with pytest.raises(SystemExit):
            main()
        return capsys.readouterr()

    return run
