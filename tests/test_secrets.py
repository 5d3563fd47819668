"""Keys and passwords of whoever works here stand in nothing that is kept or shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from glioray.data.download import kaggle_api
from glioray.data.download.datasets import dataset
from glioray.data.place import local_folder
from glioray.data.prepared import PreparedDataset
from glioray.errors import GliorayError
from glioray.recipe import Recipe
from glioray.registry.locate import locate
from glioray.registry.store import Store
from glioray.serving.catalog import find_models
from glioray.serving.settings import ServeArgs
from glioray.training.checkpoints import checkpoints
from glioray.training.loop import fit
from glioray.training.plan import Plan, plan_run
from glioray.training.record import write_bundle
from glioray.training.watching import tracking
from glioray.training.watching.choice import chosen_listeners
from glioray.training.watching.listener import told
from glioray.training.watching.page import Invocation
from glioray.training.worker import LocalWorker

SECRET = "hush-hush-7f3a"
URI = f"http://ann:{SECRET}@127.0.0.1:9"
ENVIRONMENT = {
    "MLFLOW_TRACKING_URI": URI,
    **dict.fromkeys(("MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "KAGGLE_KEY"), SECRET),
    **dict.fromkeys(("KAGGLE_API_TOKEN", "RAY_AUTH_TOKEN", "HF_TOKEN", "GLIORAY_API_KEY"), SECRET),
    "GLIORAY_API_KEYS": f"ward:{SECRET}",
}


class Refusing:
    """A client of MLflow whose server answers nothing but errors that name its whole address."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: object, **__: object) -> None:
            raise ConnectionError(f"{name}: 401 from {URI}/api")

        return call


@pytest.fixture
def plan(unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path) -> Plan:
    return plan_run(unet_recipe.with_values("budget.epochs", 1), tmp_path / "runs", "run")


def test_what_the_environment_holds_is_in_no_file_of_a_run_nor_of_the_registry_nor_said(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tracking, "connect", lambda *_: tracking.Server(Refusing(), SimpleNamespace()))
    said: list[str] = []
    invocation = Invocation.of(Path("unet.yaml"), ("seed=0",), "run", str(tmp_path / "runs"), str(plan.folder))
    listeners = chosen_listeners(plan, invocation, os.environ, said.append)
    with caplog.at_level(logging.DEBUG), told(plan, listeners, said.append):
        fit(plan.recipe, plan.data, LocalWorker(plan.data, plan.folder, 0))
        bundle = write_bundle(plan.folder, plan.recipe, plan.data, checkpoints(plan.folder)[-1], 1)
    Store(str(tmp_path / "registry")).publish(bundle, "unet")

    files = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"recipe.yaml", "origin.json", "run.html", "MODEL_CARD.md", "config.json", "PUBLISHED.json"} <= set(files)
    assert [name for name, content in files.items() if SECRET.encode() in content] == []
    assert "MLflow fails (ConnectionError: " in said[0]
    assert SECRET not in f"{said} {caplog.text}"


@pytest.mark.parametrize(
    "ask",
    [
        local_folder,
        lambda address: plan_run(Recipe.from_values(recipe_of(address)), "runs"),
        lambda address: locate(address, "registry"),
        lambda address: locate("unet", address),
        lambda address: find_models(ServeArgs(registry=address)),
    ],
    ids=["data", "data of a recipe", "run", "registry", "registry of the service"],
)
def test_an_address_with_a_key_is_refused_wherever_it_is_given_and_the_key_not_shown(
    ask: Callable[[str], object],
) -> None:
    with pytest.raises(GliorayError, match="keys do not belong in an address") as refusal:
        ask(f"s3://AKIA:{SECRET}@bucket/place")
    assert SECRET not in str(refusal.value)


def recipe_of(data: str) -> dict[str, object]:
    return {"task": "segmentation", "data": {"path": data}, "model": {"name": "classic_unet"}, "loss": {}}


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(
            ConnectionError(f"pool(host='files'): url: /a.zip?signature={SECRET} (Caused by"), "x"
        ),
        ValueError(f"no URL: https://files/a.zip?signature={SECRET}"),
        requests.HTTPError(
            f"401 for https://files/a.zip?signature={SECRET}", response=SimpleNamespace(status_code=401)
        ),
        requests.HTTPError(
            f"500 for https://files/a.zip?signature={SECRET}", response=SimpleNamespace(status_code=500)
        ),
    ],
    ids=["no connection", "no address", "refused", "failed"],
)
def test_a_download_that_fails_shows_neither_the_token_nor_the_signed_address(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)

    def refuse(*_: object, **__: object) -> None:
        raise error

    with pytest.raises(GliorayError) as refusal:
        kaggle_api.fetch(SimpleNamespace(dataset_download_files=refuse), dataset("lgg"), tmp_path, lambda *_: None)
    assert SECRET not in str(refusal.value)
