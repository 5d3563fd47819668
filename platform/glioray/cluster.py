"""Starts a Ray of its own on the loopback, or joins one that runs.

Ray reads its environment when it is imported, so modules that import it at their head are themselves imported only
inside `connect`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from glioray.errors import ClusterError
from glioray.remote import is_remote

LOCAL, LOOPBACK, DASHBOARD_PORT = "local", "127.0.0.1", 8265
LOOPBACKS = (LOOPBACK, "localhost")
ANSWER_TIMEOUT_S, START_TIMEOUT_S = 5, 60
_API_ADDRESS, _JOB = "RAY_API_SERVER_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"
_ENVIRONMENT = {
    "RAY_DATA_USE_DATASOURCE_V2": "0",  # the first Parquet reader streams five times as fast
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",  # else Ray's dashboard does not know the runs by their names
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
# Else Ray on Linux binds the network card and 0.0.0.0, and looks for a head on 127.0.0.1 at the network card's address.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_OWN = {
    "RAY_AUTH_MODE": "token",  # Ray's own default depends on what earlier runs left in the home folder
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # this machine will not be taken away: one process less to wait for
}


@contextlib.contextmanager
def connect(
    address: str | None = None, dashboard: bool = False, variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A Ray to work with, for as long as the context lasts.

    Args:
        address: of a running cluster (`auto`, `HOST:PORT`, `ray://HOST:PORT`); `local` starts one here, on 127.0.0.1,
            and ends it; none joins the cluster that RAY_ADDRESS names, as in a job, else starts one here.
        dashboard: whether a Ray that is started here has one.
        variables: of the environment, for all processes that work for this one.

    Raises:
        ClusterError: nothing answers at the address, a token is asked for and missing, or Ray does not start.
    """
    address = None if address == LOCAL else address or os.environ.get("RAY_ADDRESS")
    host = _host_that_listens(address) if address else LOOPBACK
    set_environment(host, is_own=not address)
    if address:
        _require_token(os.environ, Path.home())
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        with contextlib.nullcontext() if address else alone_at_start():
            local = {} if address else _local_settings(dashboard)
            ray.init(
                address=address or LOCAL,
                runtime_env=_job_environment(os.environ, variables or {}),
                logging_level=logging.WARNING,
                log_to_driver=False,
                **local,
            )
    except Exception as error:  # that of a start that takes too long is of no other class
        raise ClusterError(_no_ray(address, error)) from error
    try:
        with _ended_in_a_line():
            yield
    finally:
        ray.shutdown()
        if local:
            os.environ.pop(_API_ADDRESS, None)


def set_environment(host: str = LOOPBACK, is_own: bool = True) -> None:
    """Sets what Ray reads once, when it is imported; what a person has set stays.

    Args:
        host: of the head.
        is_own: whether that Ray is started here.
    """
    for name, value in {
        **_ENVIRONMENT,
        **(_LOOPBACK if host in LOOPBACKS else {}),
        **(_OWN if is_own else {}),
    }.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def alone_at_start() -> Iterator[None]:
    """Two that start at the same moment would find the same port free for their dashboards, and one would fail.

    Whoever has waited a minute for the other, or may not write the file, starts all the same.
    """
    lock = FileLock(Path(tempfile.gettempdir()) / f"glioray-start-{os.getuid()}.lock", timeout=START_TIMEOUT_S)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(Timeout, OSError):
            held.enter_context(lock)
        yield


def require_lasting(place: str) -> None:
    """Refuses to write results where they would be thrown away: a job's working directory is a copy of its own.

    Raises:
        ClusterError: this process is a job of Ray, and the folder lies in its working directory.
    """
    if _JOB in os.environ and not is_remote(place) and Path(place).absolute().is_relative_to(Path.cwd()):
        raise ClusterError(
            f"{place}: lies in the job's copy of the working directory, which Ray removes; name a folder on storage "
            "that all nodes share, by its absolute path, or by an address as s3://BUCKET/runs"
        )


def free_port(first: int) -> int:
    """The first port from `first` that nobody listens on; Ray takes 10002 to 19999 for itself.

    Raises:
        ClusterError: a hundred are taken.
    """
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((LOOPBACK, port)):
                return port
    raise ClusterError(f"ports {first} to {first + 99} of {LOOPBACK} are all taken: end what listens there")


@contextlib.contextmanager
def _ended_in_a_line() -> Iterator[None]:
    """SIGTERM unwinds what is at work, as an exception does; the handler that Ray has set would print a trace first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told_to_end = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        told_to_end.set()
        raise SystemExit

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except SystemExit as ended:
        if told_to_end.is_set():  # where the work waits for Ray, that has put a code of its own
            sys.stderr.write("Told to end by SIGTERM\n")
            ended.code = 128 + signal.SIGTERM
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _host_that_listens(address: str) -> str:
    """The host of `HOST:PORT` or `ray://HOST:PORT`, after a knock: Ray itself would wait for it for minutes.

    Raises:
        ClusterError: nobody listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return host  # as `auto`, which Ray resolves
    try:
        socket.create_connection((host, int(port)), ANSWER_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(_no_ray(address, error)) from None
    return host


def _require_token(environment: Mapping[str, str], home: Path) -> None:
    """Looks for a token where Ray does, which without one would end in a stack trace of its own.

    Raises:
        ClusterError: tokens are asked for, and there is none.
    """
    if environment.get("RAY_AUTH_MODE") != "token" or environment.get("RAY_AUTH_TOKEN"):
        return
    file = Path(environment.get("RAY_AUTH_TOKEN_PATH") or home / ".ray" / "auth_token")
    if not file.is_file() or not file.read_text().strip():
        raise ClusterError(
            f"RAY_AUTH_MODE=token, but there is no token in RAY_AUTH_TOKEN and none in {file}: copy that file from the "
            "head of the cluster"
        )


def _local_settings(dashboard: bool) -> dict[str, Any]:
    """A dashboard at an address of its own, which all processes of this Ray are told.

    Ray Train asks the dashboard whether its controller lives. Left to find one, it asks any other Ray of the machine,
    takes the "no such actor" for a death, and ends the training (seen with Ray 2.60).
    """
    if not dashboard:
        return {"include_dashboard": False}
    port = free_port(DASHBOARD_PORT)
    os.environ[_API_ADDRESS] = f"http://{LOOPBACK}:{port}"
    return {"include_dashboard": True, "dashboard_host": LOOPBACK, "dashboard_port": port}


def _job_environment(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Any] | None:
    """The variables; and in a job, what lets its workers find the package in their copy of the working directory.

    What a job sets itself is left alone: Ray refuses to merge two.
    """
    job = environment.get(_JOB)
    wanted = {**variables, **({} if job is None else {"PYTHONPATH": "platform"})}
    set_by_job = json.loads(job or "{}").get("runtime_env", {}).get("env_vars", {})
    left = {name: value for name, value in wanted.items() if name not in set_by_job}
    return {"env_vars": left} if left else None


def _no_ray(address: str | None, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if address:
        return f"no Ray answers at {address!r} ({reason}); start one with `ray start --head`, or leave --address out"
    return f"Ray does not start on this machine ({reason}); see `glioray doctor`"
