"""Starts the servers that are compared, as processes of the program that asks, on the loopback; and ends them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from _questions import RECIPES, Served

from glioray.registry.store import Store
from glioray.serving.settings import IMPORT_PATH

READY_S = 300  # beside other work
GLIORAY = Path(sys.executable).with_name("glioray")


@contextlib.contextmanager
def running(command: list[str], url: str, path: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server of this program's own, from when it answers until it is told to end.

    Raises:
        RuntimeError: it ended, or does not answer in time.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        _wait(process, url + path, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up_at = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer: {log.read_text()[-2000:]}")


def plain_service(served: dict[str, Served], port: int) -> list[str]:
    folders = [str(served[task].folder) for task in RECIPES]
    return [sys.executable, str(Path(__file__).with_name("_plain_service.py")), *folders, str(port)]


def our_service(registry: str, port: int, folder: Path, settings: Mapping[str, Any]) -> list[str]:
    """The settings of `serve/*.yaml` are written to the folder."""
    application = {"import_path": IMPORT_PATH, "args": {"registry": registry, **settings}}
    config = folder / f"serve-{port}.yaml"
    config.write_text(yaml.safe_dump({"applications": [application]}))
    return [str(GLIORAY), "serve", "--config", str(config), "--port", str(port)]


def published(served: dict[str, Served], registry: Path) -> str:
    for task, name in RECIPES.items():
        Store(str(registry)).publish(served[task].folder, name)
    return str(registry)
