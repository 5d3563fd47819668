from __future__ import annotations

import json
from pathlib import Path

import pytest

from glioray.cluster import _job_environment, connect, free_port, require_lasting
from glioray.errors import ClusterError


def test_outside_a_job_workers_get_no_environment_of_their_own() -> None:
    assert _job_environment({}) is None


def test_workers_of_a_bare_job_find_the_package() -> None:
    job = {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": {"working_dir": "gcs://x.zip"}})}
    assert _job_environment(job) == {"env_vars": {"PYTHONPATH": "platform"}}


def test_a_job_that_sets_pythonpath_itself_is_left_alone() -> None:
    settings = {"runtime_env": {"env_vars": {"PYTHONPATH": "elsewhere"}}}
    assert _job_environment({"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(settings)}) is None


def test_a_job_does_not_write_into_its_copy_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    require_lasting(Path("runs"))
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    require_lasting(tmp_path.parent / "shared")
    with pytest.raises(ClusterError, match="storage that all nodes share"):
        require_lasting(Path("runs"))


def test_an_address_that_nobody_listens_on_is_refused_at_once() -> None:
    port = free_port(8400)
    with pytest.raises(ClusterError, match=f"no Ray answers at '127.0.0.1:{port}'"), connect(f"127.0.0.1:{port}"):
        pass
