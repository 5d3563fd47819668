from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from glioray import cluster
from glioray.cluster import (
    _ended_in_a_line,
    _job_environment,
    _require_token,
    alone_at_start,
    connect,
    free_port,
    require_lasting,
    set_environment,
)
from glioray.errors import ClusterError


def test_outside_a_job_workers_get_no_environment_of_their_own() -> None:
    assert _job_environment({}, {}) is None


def test_workers_of_a_bare_job_find_the_package() -> None:
    job = {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": {"working_dir": "gcs://x.zip"}})}
    assert _job_environment(job, {"A": "1"}) == {"env_vars": {"A": "1", "PYTHONPATH": "platform"}}


def test_a_job_that_sets_pythonpath_itself_is_left_alone() -> None:
    settings = {"runtime_env": {"env_vars": {"PYTHONPATH": "elsewhere"}}}
    assert _job_environment({"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(settings)}, {}) is None


def test_a_job_does_not_write_into_its_copy_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    require_lasting("runs")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    require_lasting(str(tmp_path.parent / "shared"))
    with pytest.raises(ClusterError, match="storage that all nodes share"):
        require_lasting("runs")


def test_a_missing_token_says_where_it_would_be_found(tmp_path: Path) -> None:
    asked = {"RAY_AUTH_MODE": "token"}
    for environment in (asked, asked | {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "elsewhere")}):
        with pytest.raises(ClusterError, match="copy that file from the head"):
            _require_token(environment, tmp_path)


def test_a_token_is_found_where_ray_finds_it(tmp_path: Path) -> None:
    _require_token({}, tmp_path)
    _require_token({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "secret"}, tmp_path)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("secret")
    _require_token({"RAY_AUTH_MODE": "token"}, tmp_path)


def test_an_address_that_nobody_listens_on_is_refused_at_once() -> None:
    port = free_port(8400)
    with pytest.raises(ClusterError, match=f"no Ray answers at '127.0.0.1:{port}'"), connect(f"127.0.0.1:{port}"):
        pass


def test_a_ray_that_does_not_start_in_time_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen")

    monkeypatch.setattr("ray.init", time_out)
    with (
        pytest.raises(ClusterError, match=r"^Ray does not start .* timed out during startup\.\); see"),
        connect("local"),
    ):
        pass


def test_a_ray_of_our_own_keeps_to_the_loopback_and_asks_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    set_environment("head.example.org", is_own=False)
    of_our_own = {"RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"}
    assert of_our_own & os.environ.keys() == set()
    set_environment()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"  # else Ray listens on the network card and 0.0.0.0


@pytest.mark.parametrize("code", [1, 15])
def test_sigterm_ends_a_process_in_a_line_whatever_ray_makes_of_it(
    code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, _ended_in_a_line():
        wait_as_ray_does(code)
    assert ended.value.code == 143
    assert capsys.readouterr().err == "Told to end by SIGTERM\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_end_that_nobody_asked_for_keeps_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, _ended_in_a_line():
        raise SystemExit(3)
    assert (ended.value.code, capsys.readouterr().err) == (3, "")


def wait_as_ray_does(code: int) -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except SystemExit:
        raise SystemExit(code) from None


def test_of_two_that_start_at_once_the_second_waits_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(cluster, "START_TIMEOUT_S", 0)
    came: list[str] = []
    with alone_at_start():
        (lock,) = tmp_path.iterdir()
        with pytest.raises(Timeout):
            FileLock(lock, timeout=0).acquire()
        with alone_at_start():
            came.append("second")
    assert came == ["second"]
    with FileLock(lock, timeout=0):
        came.append("third")
    assert came == ["second", "third"]


def test_whoever_may_not_write_the_lock_starts_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"glioray-start-{os.getuid()}.lock").mkdir()
    with alone_at_start():
        pass
