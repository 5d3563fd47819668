"""Two nodes, of which workers, a whole node and the driver are taken away: only real processes can be killed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from glioray.data.prepared import PreparedDataset
from glioray.errors import ClusterError
from glioray.recipe import Recipe
from glioray.training.checkpoints import checkpoint_name, checkpoints
from glioray.training.news import Progress
from glioray.training.plan import plan_run
from glioray.training.record import BUNDLE, METRICS
from glioray.training.state import MODEL

if TYPE_CHECKING:
    from glioray.training.finished import Run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

EPOCHS = 7
DRIVER = """
import sys
from pathlib import Path
import ray
from glioray.recipe import Recipe
from glioray.training.plan import plan_run
ray.init(address=sys.argv[1], log_to_driver=False)
from glioray.training.run import train
train(plan_run(Recipe.from_yaml(Path(sys.argv[2])), Path(sys.argv[3]), "run"))
"""

# As `ray.cluster_utils` does it, in a process that can be killed; `ray start` refuses a second node on the loopback.
NODE = """
import signal, sys
from ray._private.node import Node
from ray._private.parameter import RayParams
address, num_cpus = sys.argv[1:]
settings = RayParams(
    gcs_address=address,
    redis_address=address,
    num_cpus=int(num_cpus),
    num_gpus=0,
    object_store_memory=80_000_000,
    min_worker_port=0,
    max_worker_port=0,
    node_manager_port=0,
    include_log_monitor=False,
)
settings.dashboard_agent_listen_port = None
Node(settings, head=False, shutdown_at_exit=True)
signal.pause()
"""


class Nodes:
    """A head in this process's own Ray and a second node beside it, each with one core."""

    def __init__(self) -> None:
        import ray

        self._place = tempfile.mkdtemp(prefix="ray-")  # the names of Ray's sockets must stay short
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=self._place,
        )
        self.address: str = ray.get_runtime_context().gcs_address
        self.add()

    def start_command(self, num_cpus: int) -> list[str]:
        return [sys.executable, "-c", NODE, self.address, str(num_cpus)]

    def add(self) -> None:
        self.second = psutil.Popen(self.start_command(num_cpus=1))

    def remove(self) -> None:
        kill(self.second)

    def workers(self) -> list[psutil.Process]:
        """Those that train."""
        mine = psutil.Process().children(recursive=True)
        return [process for process in mine if "RayTrainWorker" in " ".join(process.cmdline())]

    def end(self) -> None:
        import ray

        self.remove()
        ray.shutdown()
        shutil.rmtree(self._place, ignore_errors=True)


def kill(node: psutil.Popen) -> None:
    """As if somebody pulled the plug."""
    for process in [*node.children(recursive=True), node]:
        process.kill()
    node.wait()


def num_alive() -> int:
    import ray

    return sum(node["Alive"] for node in ray.nodes())


@pytest.fixture(scope="module")
def nodes(own_ray: None) -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        # Without a dashboard of its own Ray Train asks that of any other Ray of this machine; here it asks nobody.
        patch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
        patch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
        patch.delenv("RAY_ADDRESS", raising=False)
        started = Nodes()
        assert wait_for(lambda: num_alive() == 2, started.second)
        yield started
        started.end()


@pytest.fixture(scope="module")
def recipe(volumes: PreparedDataset) -> Recipe:
    """Two workers that do not fit on one node, and leave room for reading."""
    return Recipe.from_values(
        {
            "task": "segmentation",
            "data": {"path": str(volumes.folder)},
            "model": {"name": "classic_unet", "base_filters": 2, "depth": 2},
            "loss": {"dice_weight": 0},  # each of many workers would import MONAI for it
            "budget": {"epochs": EPOCHS, "batch_size": 4},
            "scaling": {"num_workers": 2, "cpus_per_worker": 0.8},
            "precision": "fp32",
        }
    )


def train(
    recipe: Recipe, runs: Path, after_epoch: Callable[[int], object] = id, say: Callable[[str], object] = id
) -> Run:
    from glioray.training import run  # imports Ray, which must find its environment set

    def follow(progress: Progress) -> None:
        if progress.metrics:
            after_epoch(progress.epoch)

    return run.train(plan_run(recipe, runs, "run"), follow, say)


@pytest.fixture(scope="module")
def calm(nodes: Nodes, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run to which nothing happens."""
    return train(recipe, tmp_path_factory.mktemp("calm"))


def assert_equal(run: Run, calm: Run) -> None:
    """To the last digit: losses, scores and the weights of the best epoch."""
    for name in ("loss", "val/loss", "score"):
        assert [row[name] for row in run.history] == [row[name] for row in calm.history], name
    assert (run.bundle / MODEL).read_bytes() == (calm.bundle / MODEL).read_bytes()


def test_an_elastic_run_takes_the_workers_that_there_are(nodes: Nodes, recipe: Recipe, tmp_path: Path) -> None:
    elastic = recipe.with_values("scaling.num_workers", 3).with_values("scaling.min_workers", 1)
    """Before a driver is killed: Ray keeps machines for a dead elastic run for three minutes (2.60)."""
    lines: list[str] = []
    run = train(elastic.with_values("budget.batch_size", 5).with_values("budget.epochs", 2), tmp_path, say=lines.append)
    assert lines == ["budget.batch_size 5 does not divide over 2 workers: an update has 4 images, 2 of each"]
    assert [row["rows"] for row in run.history] == [8, 8]


def test_a_killed_worker_and_a_lost_node_change_nothing(
    nodes: Nodes, recipe: Recipe, calm: Run, tmp_path: Path
) -> None:
    lines: list[str] = []
    harms = {2: lambda: nodes.workers()[-1].kill(), 4: nodes.remove}

    def harm(epoch: int) -> None:
        if epoch in harms:
            harms.pop(epoch)()

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("waits for machines"):
            nodes.add()

    run = train(recipe, tmp_path, harm, say)
    assert_equal(run, calm)
    told = " | ".join(lines)
    assert "was lost; the workers begin again" in told
    assert "the run needs 1.6 CPU, the cluster has 1" in told
    assert "on 2 workers" in told


def test_a_damaged_newest_checkpoint_costs_an_epoch(nodes: Nodes, recipe: Recipe, calm: Run, tmp_path: Path) -> None:
    shutil.copytree(calm.bundle.parent, tmp_path / "run", ignore=shutil.ignore_patterns(BUNDLE))
    newest = tmp_path / "run" / checkpoint_name(EPOCHS)
    (newest / MODEL).write_bytes((newest / MODEL).read_bytes()[:-8] + bytes(8))
    lines: list[str] = []
    run = train(recipe, tmp_path, say=lines.append)
    assert_equal(run, calm)
    assert f"set aside as damaged_{newest.name}, goes on from {checkpoint_name(EPOCHS - 1)}" in lines[0]
    assert f"goes on after epoch {EPOCHS - 1}, on 2 workers" in lines[1]


def test_a_killed_driver_is_started_again_and_goes_on(nodes: Nodes, recipe: Recipe, calm: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    command = [sys.executable, "-c", DRIVER, nodes.address, str(tmp_path / "recipe.yaml"), str(tmp_path)]
    with psutil.Popen(command, stderr=subprocess.DEVNULL) as driver:
        wait_for(lambda: (tmp_path / "run" / METRICS).exists() and len(checkpoints(tmp_path / "run")) > 1, driver)
        driver.kill()
    assert not plan_run(recipe, tmp_path, "run").is_complete
    lines: list[str] = []
    run = train(recipe, tmp_path, say=lines.append)
    assert_equal(run, calm)
    assert any(line.startswith("goes on after epoch") for line in lines)
    assert plan_run(recipe, tmp_path, "run").is_complete


def test_a_node_that_does_not_share_the_folder_is_named(nodes: Nodes, tmp_path: Path) -> None:
    from glioray.training.storage import require_shared_storage

    require_shared_storage(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    start = f"mount -t tmpfs none {tmp_path} && exec {shlex.join(nodes.start_command(num_cpus=0))}"
    node = psutil.Popen(["unshare", "--mount", "sh", "-c", start])
    if not wait_for(lambda: num_alive() == 3, node):
        pytest.skip("this machine lets nobody mount another folder")
    with pytest.raises(ClusterError, match="not shared by node 127.0.0.1 .*: it does not see what another"):
        require_shared_storage(str(tmp_path))
    kill(node)


def wait_for(is_there: Callable[[], bool], process: psutil.Popen) -> bool:
    """Whether it came to be while the process lived."""
    while process.poll() is None:
        if is_there():
            return True
        time.sleep(0.1)
    return False
