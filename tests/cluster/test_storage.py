"""A real S3 server on the loopback: data, run, evaluation and registry at addresses, copies thrown away in between.

Must start Ray: its workers fetch the data, send the checkpoints, and Ray Train and Ray Data write and read there too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import pytest
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from glioray.cli import app
from glioray.cluster import LOOPBACK
from glioray.data.place import send_data
from glioray.data.prepared import PreparedDataset
from glioray.errors import ClusterError
from glioray.recipe import Recipe
from glioray.registry.store import Store
from glioray.remote import RemoteFolder
from glioray.training.plan import plan_run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
BUCKET = "s3://scans"


@pytest.fixture(scope="module")
def cache(shared_ray: None, bucket_environment: dict[str, str]) -> Iterator[Path]:
    """Where copies lie, with a bucket behind them; Ray's workers have inherited what says how to reach it."""
    server = ThreadedMotoServer(LOOPBACK, urlsplit(bucket_environment["AWS_ENDPOINT_URL"]).port or 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in bucket_environment.items():
            environment.setenv(name, value)
        fsspec.filesystem("s3").mkdir("scans")
        yield Path(bucket_environment["GLIORAY_CACHE"])
    server.stop()


@pytest.fixture
def recipe(unet_recipe: Recipe, volumes: PreparedDataset, cache: Path) -> Recipe:
    copy = RemoteFolder(f"{BUCKET}/data").copy
    shutil.copytree(volumes.folder, copy, dirs_exist_ok=True)
    send_data(f"{BUCKET}/data")
    shutil.rmtree(copy)
    scaled = unet_recipe.with_values("scaling.cpus_per_worker", 0.5).with_values("scaling.num_workers", 2)
    return scaled.with_values("data.path", f"{BUCKET}/data")


def test_the_whole_way_goes_by_addresses(recipe: Recipe, cache: Path) -> None:
    from glioray.training.run import train

    run, lines = RemoteFolder(f"{BUCKET}/runs/one"), []
    before = train(plan_run(recipe, f"{BUCKET}/runs", "one"))
    run.remove(name for name in run.names() if name.startswith(("bundle/", "checkpoint_00003/")))
    shutil.rmtree(cache)  # the next machine has no copies
    after = train(plan_run(recipe, f"{BUCKET}/runs", "one"), say=lines.append)
    assert any("goes on after epoch 2" in line for line in lines)
    assert [row["loss"] for row in after.history] == [row["loss"] for row in before.history]
    shutil.rmtree(cache)
    assert plan_run(recipe, f"{BUCKET}/runs", "one").is_complete
    shutil.rmtree(cache)
    for command in (
        ["evaluate", f"{BUCKET}/runs/one", "--json"],
        ["publish", f"{BUCKET}/runs/one", "regions", "--registry", f"{BUCKET}/registry", "--json"],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    _, bundle = Store(f"{BUCKET}/registry").load("regions@latest")
    assert bundle.config.scores
    assert "evaluation/report.html" in run.names()


def test_a_bucket_that_is_not_there_is_one_line(recipe: Recipe) -> None:
    with pytest.raises(ClusterError, match="s3://nowhere/runs/one cannot be"):
        plan_run(recipe, "s3://nowhere/runs", "one").place.send()
