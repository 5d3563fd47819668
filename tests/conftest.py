"""A phantom, prepared for both tasks, once a session; and recipes of the smallest models."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

from glioray.cluster import set_environment
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.place import send_data
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.ending import Ending
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.remote import RemoteFolder

ENDING = Ending()
# The same examples on every machine and each time; `--hypothesis-profile default` draws others.
hypothesis.settings.register_profile("gate", derandomize=True, database=None, max_examples=60, deadline=None)
hypothesis.settings.load_profile("gate")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tests start Ray in this process: its threads are not to end it with another code than theirs."""
    del session
    ENDING.code = int(exitstatus)


class RayApart(LoadScopeScheduling):
    """Of two processes one takes all tests that start Ray, one after the other; the rest is shared file by file."""

    def _split_scope(self, nodeid: str) -> str:
        return "ray" if nodeid.startswith("tests/cluster/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> RayApart:
    return RayApart(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with Ray take longest, so they begin; of these, one Ray serves all but those that start their own."""
    items.sort(key=lambda item: (item.get_closest_marker("cluster") is None, "own_ray" in _fixtures(item)))


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


def pytest_configure() -> None:
    """Tiny tensors gain nothing from a second thread, and lose much where the cores are busy.

    Ray reads its environment once, when the first test file imports it: it is set before any is collected.
    """
    torch.set_num_threads(1)
    set_environment()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of fsspec's own storage in memory, empty; copies of what lies there go to a folder of the test."""
    monkeypatch.setenv("GLIORAY_CACHE", str(tmp_path / "cache"))
    return f"memory://{tmp_path.name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve synthetic patients, three of them with volumes."""
    folder = tmp_path_factory.mktemp("phantom") / "raw"
    write_phantom(folder, PhantomSettings(num_patients=12, image_size=80, num_slices=8, slices_per_patient=2))
    return folder


@pytest.fixture(scope="session")
def volumes(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Segmentation: one patient a side, 8 slices of 32 px each."""
    options = PrepareOptions(task="segmentation", image_size=32, val_fraction=0.3, test_fraction=0.3)
    return prepare("phantom", phantom, tmp_path_factory.mktemp("volumes") / "data", options)


@pytest.fixture
def place(volumes: PreparedDataset, bucket: str) -> str:
    """The address of `volumes` in a bucket, with nothing of it on this machine."""
    remote = RemoteFolder(f"{bucket}/data")
    shutil.copytree(volumes.folder, remote.copy)
    send_data(remote.address)
    shutil.rmtree(remote.copy)
    return remote.address


@pytest.fixture(scope="session")
def slices(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Classification: 24 slices of 80 px of four kinds."""
    options = PrepareOptions(task="classification", image_size=80, val_fraction=0.3, test_fraction=0.3)
    return prepare("phantom", phantom, tmp_path_factory.mktemp("slices") / "data", options)


@pytest.fixture(scope="session")
def unet_recipe(volumes: PreparedDataset) -> Recipe:
    """Three epochs of a U-Net with two filters."""
    return Recipe.from_values(
        {
            "task": "segmentation",
            "data": {"path": str(volumes.folder)},
            "model": {"name": "classic_unet", "base_filters": 2, "depth": 2},
            "loss": {},
            "budget": {"epochs": 3, "batch_size": 4},
            "precision": "fp32",
        }
    )


@pytest.fixture(scope="session")
def bundle_of() -> Callable[[PreparedDataset, dict[str, Any]], ModelBundle]:
    """`bundle_of(dataset, model)`: untrained, with weights from seed 0."""

    def make(dataset: PreparedDataset, model: dict[str, Any]) -> ModelBundle:
        manifest = dataset.manifest
        values = {"task": manifest.contents.task, "data": {"path": str(dataset.folder)}, "model": model}
        recipe = Recipe.from_values(values | {"answer": {"flips": "horizontal"}, "precision": "fp32"})
        config = BundleConfig.of(recipe, dataset, 1)
        torch.manual_seed(0)
        return ModelBundle(config, build_network(recipe, manifest.contents, dataset.signature).state_dict())

    return make
