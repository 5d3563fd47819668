"""`glioray serve`: the service on a Ray of its own, until it is told to stop; without keys on the loopback alone."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from glioray.cluster import LOCAL, connect
from glioray.errors import ServingError
from glioray.serving.catalog import find_models
from glioray.serving.door import is_loopback
from glioray.serving.keys import FILE_VARIABLE, KEYS_VARIABLE, KeyFile, KeyRing
from glioray.serving.settings import ServeArgs

RAY_PORTS = range(10_002, 20_000)


def run(
    args: ServeArgs, host: str, port: int, on_ready: Callable[[str], None], keys: KeyRing | KeyFile | None = None
) -> None:
    """Serves until SIGINT or SIGTERM, then ends Serve and Ray; `on_ready` gets the address.

    Args:
        args: what is served.
        host: address to listen on; one that others reach is refused without keys.
        port: to listen on.
        on_ready: called once, when every model answers.
        keys: of whoever may ask; `find_keys` finds them.

    Raises:
        ServingError: others would reach it and there are no keys, the port is taken, or a model does not start.
        RegistryError: a model is not published.
        BundleError: a model is damaged.
    """
    with serving(args, host, port, keys) as url, _stop_signal() as stopped:
        on_ready(url)
        stopped.wait()


@contextlib.contextmanager
def serving(args: ServeArgs, host: str, port: int, keys: KeyRing | KeyFile | None = None) -> Iterator[str]:
    """The address of the service for as long as the context lasts; raises as `run`."""
    if keys is None:
        _require_loopback(host)
    _require_free(host, port)
    find_models(args)
    with connect(LOCAL):
        # Only now: Ray reads its environment when it is imported, and `connect` sets it.
        from glioray.serving.app import deploy, end

        try:
            deploy(args, host, port, keys)
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            end()


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_loopback(host: str) -> None:
    if not is_loopback(host):
        raise ServingError(
            f"host {host!r} is not this machine's loopback, and there are no keys: write NAME:KEY (a key of "
            f"`openssl rand -hex 32`) to a file and name it by `--keys`, args.keys_file or {FILE_VARIABLE}, or set "
            f"{KEYS_VARIABLE}; or serve on 127.0.0.1"
        )


def _require_free(host: str, port: int) -> None:
    if port in RAY_PORTS or not 1 <= port <= 65_535:
        raise ServingError(
            f"port {port} cannot be served on: Ray keeps {RAY_PORTS[0]} to {RAY_PORTS[-1]} for itself; use 8000"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServingError(
                f"port {port} of {host} cannot be used ({error.strerror}); name another one: --port {port + 1}"
            ) from None
