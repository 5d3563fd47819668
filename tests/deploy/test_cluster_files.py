"""The files of `ray up`: Ray's own schema, and what the schema does not see."""

from __future__ import annotations

import fnmatch
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
FILES = ("cluster.yaml", "jobs/onprem/cluster.yaml")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(params=FILES)
def cluster(request: pytest.FixtureRequest) -> Any:
    return prepare_config(read(request.param))


def starts(cluster: Any) -> list[str]:
    commands = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    return [command for command in commands if "ray start" in command]


def test_rays_own_schema_takes_the_file(cluster: Any) -> None:
    validate_config(cluster)


def test_token_authentication_is_on_wherever_ray_starts(cluster: Any) -> None:
    assert len(starts(cluster)) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts(cluster))
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_the_dashboard_stays_on_the_heads_loopback(cluster: Any) -> None:
    head = next(command for command in starts(cluster) if "--head" in command)
    assert "--dashboard-host=127.0.0.1" in head
    assert not any("0.0.0.0" in command for command in starts(cluster))


def test_all_that_git_knows_of_the_package_is_sent_to_the_nodes(cluster: Any) -> None:
    names = subprocess.run(
        ["git", "ls-files", "platform", "jobs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    anywhere = [pattern.strip("/") for pattern in cluster["rsync_exclude"] if not pattern.startswith("/")]
    tops = [pattern.strip("/") for pattern in cluster["rsync_exclude"] if pattern.startswith("/")]
    for name in names.stdout.splitlines():
        parts = Path(name).parts
        assert parts[0] not in tops, name
        assert not any(fnmatch.fnmatch(part, pattern) for part in parts for pattern in anywhere), name


def test_the_pinned_versions_are_what_is_installed(cluster: Any) -> None:
    assert any("-c ~/glioray-source/constraints.txt ~/glioray-source" in line for line in cluster["setup_commands"])


def test_amazons_head_can_start_workers_from_the_environment_that_ray_runs_in() -> None:
    commands = prepare_config(read("cluster.yaml"))["head_setup_commands"]
    assert "~/glioray/bin/pip install -q boto3" in commands


def test_amazons_workers_are_spot_from_none_upwards_and_the_head_is_not() -> None:
    types = read("cluster.yaml")["available_node_types"]
    assert {name: "InstanceMarketOptions" in kind["node_config"] for name, kind in types.items()} == {
        "head": False, "prepare": True, "train": True,
    }  # fmt: skip
    assert [types[name]["min_workers"] for name in ("prepare", "train")] == [0, 0]


def test_amazons_nodes_name_image_and_security_group_themselves() -> None:
    for kind in read("cluster.yaml")["available_node_types"].values():
        assert kind["node_config"]["ImageId"]  # Ray's default has no Python 3.11
        assert kind["node_config"]["SecurityGroupIds"]  # Ray's own lets the world knock at port 22
