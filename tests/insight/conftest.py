"""Untrained models of the smallest size that fit the phantom, and runs of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from glioray.data.prepared import PreparedDataset
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle, versions

UNET = {"name": "attention_unet", "base_filters": 2, "depth": 2}
VIT = {"name": "vit", "dim": 16, "depth": 2, "heads": 2, "mlp": 16}
MakeBundle = Callable[..., ModelBundle]


@pytest.fixture(autouse=True)
def _coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of the time here."""
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 30)


@pytest.fixture(scope="session")
def bundle_of() -> MakeBundle:
    """`bundle_of(dataset, model)`: with weights from seed 0."""

    def make(dataset: PreparedDataset, model: dict) -> ModelBundle:
        manifest = dataset.manifest
        values = {"task": manifest.contents.task, "data": {"path": str(dataset.folder)}, "model": model}
        recipe = Recipe.from_values(values | {"answer": {"flips": "horizontal"}, "precision": "fp32"})
        config = BundleConfig(
            recipe=recipe.values(),
            signature=dataset.signature,
            contents=manifest.contents,
            preprocessing=manifest.settings.preprocessing,
            normalization=manifest.normalization,
            data_fingerprint=manifest.fingerprint,
            source_hash=manifest.settings.source_hash,
            learned_from=tuple(sorted(dataset.case_hashes("train") | dataset.case_hashes("val"))),
            leak=None,
            epoch=1,
            versions=versions(),
        )
        torch.manual_seed(0)
        return ModelBundle(config, build_network(recipe, manifest.contents, dataset.signature).state_dict())

    return make


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
