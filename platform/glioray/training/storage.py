"""Whether all nodes share the folder of a run: each writes and reads a file there before the first epoch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.fs
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glioray.errors import ClusterError
from glioray.registry.run_folder import RunFolder
from glioray.remote import RemoteFolder, is_remote, joined
from glioray.training.probe import appears, try_folder, write

ANSWER_TIMEOUT_S = 25
_PLACE, _OF_DRIVER = ".preflight", "driver"


def require_shared_storage(folder: str) -> None:
    """Writes and reads a file in a run's folder, by its path or address, from every node that lives.

    Raises:
        ClusterError: names the first node that cannot, and says what to do.
    """
    place = joined(folder, _PLACE)
    _clear(place)
    try:
        if not is_remote(place):
            Path(place).mkdir()
        write(place, _OF_DRIVER)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        asked = {_ask(node["NodeID"], place): node for node in nodes}
        _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_TIMEOUT_S)
        for answer, node in asked.items():
            trouble = f"no answer in {ANSWER_TIMEOUT_S} s" if answer in silent else _trouble(answer, place, node)
            if trouble:
                raise ClusterError(
                    f"{folder}: not shared by node {node['NodeManagerAddress']} ({node['NodeManagerHostname']}, "
                    f"{node['NodeID'][:8]}): {trouble}; name a folder by --runs that every node can write, as of a "
                    "network share mounted at the same place, or an address as s3://BUCKET/runs"
                )
    finally:
        _clear(place)


def storage_of(run: RunFolder) -> dict[str, Any]:
    """The settings of Ray Train for what it writes itself: a few hundred bytes beside the run's own files."""
    parent, _, name = run.place.rpartition("/")
    if not is_remote(run.place):
        return {"name": name, "storage_path": parent}
    folder = RemoteFolder(parent)
    files = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(folder.files))
    return {"name": name, "storage_path": folder.root, "storage_filesystem": files}


def _clear(place: str) -> None:
    if is_remote(place):
        remote = RemoteFolder(place)
        remote.remove(remote.names())
    else:
        shutil.rmtree(place, ignore_errors=True)


def _ask(node_id: str, place: str) -> Any:
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=here)(try_folder)
    return task.remote(place, node_id, _OF_DRIVER)


def _trouble(answer: Any, place: str, node: dict[str, Any]) -> str | None:
    try:
        trouble: str | None = ray.get(answer)
    except RayError as error:
        is_alive = any(other["Alive"] for other in ray.nodes() if other["NodeID"] == node["NodeID"])
        return f"it failed ({str(error).strip().splitlines()[-1]})" if is_alive else None
    if trouble is None and not appears(place, node["NodeID"]):
        return "what it writes there is not seen by the others"
    return trouble
