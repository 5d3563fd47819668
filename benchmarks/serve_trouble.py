"""The service under load while something happens to it: a replica is killed, a version is rolled out and taken back.

    python benchmarks/serve_trouble.py [--connections 8] [--seconds 20] [--soak 0] [--json]

Two replicas, all on this machine and its loopback. Each event happens a quarter into `--seconds` of load; counted are
requests that were lost or answered with an error, answers that are not those of the version that they name, the longest
time without any answer, and the seconds until the service is whole again. `--soak SECONDS` adds a long even load, with
the memory of all processes of the service over its time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import torch

sys.path.insert(0, str(Path(__file__).parent))
from _load import WRONG, Answer, Loaded, Question, load
from _questions import RECIPES, Served, trained
from _services import our_service, published, running

from glioray.client import Client
from glioray.cluster import free_port
from glioray.registry.bundle import ModelBundle
from glioray.registry.rollout import change
from glioray.registry.store import Store
from glioray.serving.predictor import Predictor

NAME, TASK = RECIPES["classification"], "classification"
REPLICA = "ray::ServeReplica:glioray:models"
WHOLE_S = 120.0
SAMPLES = 60


@dataclass
class Service:
    """The service under test, and its processes."""

    url: str
    registry: str
    process: psutil.Process
    replicas: int

    def processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def memory_mb(self) -> float:
        """Of all its processes, what they share counted for each."""
        total = 0
        for process in self.processes():
            try:
                total += process.memory_info().rss
            except psutil.Error:  # it has ended meanwhile
                continue
        return total / 1e6

    def seen(self) -> dict[str, Any]:
        replicas: dict[str, Any] = httpx.get(f"{self.url}/v1/replicas", timeout=10).json()["replicas"]
        return replicas


def second_version(served: Served, folder: Path) -> tuple[Path, tuple[Question, ...]]:
    """A bundle that answers otherwise, and the questions whose right answer depends on the version that is named."""
    first = ModelBundle.load(served.folder)
    ModelBundle(first.config, {name: 1.5 * value for name, value in first.weights.items()}, first.domain).save(folder)
    second = Predictor.load(ModelBundle.load(folder))
    return folder, tuple(_of_either(question, second) for question in served.questions)


def _of_either(question: Question, second: Predictor) -> Question:
    expected = second.classify(second.decode(question.body, "a question")).probabilities

    def is_right(answer: Answer) -> bool:
        if answer["version"] == 1:
            return question.is_right(answer)
        return all(abs(answer["probabilities"][name] - p) < 1e-4 for name, p in expected.items())

    return replace(question, is_right=is_right)


def kill_replica(service: Service) -> float:
    """SIGKILL for one of the replicas; seconds until as many as before have checked in."""
    before = set(service.seen())
    victim = next(one for one in service.processes() if _title(one).startswith(REPLICA))
    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    while time.monotonic() - killed_at < WHOLE_S:
        if set(service.seen()) - before:
            return time.monotonic() - killed_at
        time.sleep(0.25)
    return float("nan")


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def roll_out(service: Service) -> float:
    return _follow(service, {2}, lambda: change(Store(service.registry), NAME, to=2))


def roll_back(service: Service) -> float:
    return _follow(service, {1}, lambda: change(Store(service.registry), NAME, back=True))


def _follow(service: Service, versions: set[int], step: Callable[[], object]) -> float:
    step()
    began_at = time.monotonic()
    with Client(service.url) as client:
        client.wait_for_rollout(NAME, versions, timeout_s=WHOLE_S)
    return time.monotonic() - began_at


async def under_load(
    service: Service, questions: tuple[Question, ...], connections: int, seconds: float, event: Callable[..., float]
) -> tuple[Loaded, float]:
    """The load goes on until the event is over, and a quarter of the seconds longer."""
    is_over = asyncio.Event()
    loading = asyncio.create_task(load(service.url, questions, connections, WHOLE_S + 2 * seconds, is_over))
    await asyncio.sleep(seconds / 4)
    took_s = await asyncio.to_thread(event, service)
    await asyncio.sleep(seconds / 4)
    is_over.set()
    return await loading, took_s


async def soak(service: Service, questions: tuple[Question, ...], connections: int, seconds: float) -> dict[str, Any]:
    """An even load; memory is sampled after a tenth of the time, when caches are full."""
    loading = asyncio.create_task(load(service.url, questions, connections, seconds))
    await asyncio.sleep(seconds / 10)
    samples = []
    while not loading.done():
        samples.append(await asyncio.to_thread(service.memory_mb))
        await asyncio.sleep(seconds / SAMPLES)
    loaded = await loading
    third = max(len(samples) // 3, 1)
    return {
        "seconds": round(loaded.seconds, 1),
        "answers": len(loaded.latencies),
        "errors": loaded.errors,
        "failures": loaded.failures,
        "p50_ms": round(loaded.ms(50), 1),
        "p99_ms": round(loaded.ms(99), 1),
        "memory_mb": {
            "first third": round(sum(samples[:third]) / third),
            "last third": round(sum(samples[-third:]) / third),
            "most": round(max(samples)),
        },
    }


def row(name: str, loaded: Loaded, took_s: float) -> dict[str, Any]:
    return {
        "event": name,
        "answers": len(loaded.latencies),
        "by_version": dict(sorted(loaded.versions.items())),
        "wrong": loaded.failures.get(WRONG, 0),
        "lost": loaded.errors - loaded.failures.get(WRONG, 0),
        "failures": loaded.failures,
        "longest_gap_s": round(loaded.longest_gap_s, 2),
        "whole_after_s": round(took_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--soak", type=float, default=0)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = {task: trained(task, folder / task) for task in RECIPES}
        registry, port = published(served, folder / "registry"), free_port(8400)
        second, questions = second_version(served[TASK], folder / "second")
        settings = {"replicas": asked.replicas, "follow_s": 1}
        url = f"http://127.0.0.1:{port}"
        with running(our_service(registry, port, folder, settings), url, "/readyz", folder / "log") as process:
            service = Service(url, registry, psutil.Process(process.pid), asked.replicas)
            found = _measure(service, second, questions, asked)
    print(json.dumps(found, indent=1) if asked.json else _table(found))


def _measure(
    service: Service, second: Path, questions: tuple[Question, ...], asked: argparse.Namespace
) -> dict[str, Any]:
    while len(service.seen()) < service.replicas:
        time.sleep(0.5)
    Store(service.registry).publish(second, NAME)
    rows = []
    for name, event in (("replica killed", kill_replica), ("rolled out", roll_out), ("rolled back", roll_back)):
        loaded, took_s = asyncio.run(under_load(service, questions, asked.connections, asked.seconds, event))
        rows.append(row(name, loaded, took_s))
    found: dict[str, Any] = {"events": rows}
    if asked.soak:
        found["soak"] = asyncio.run(soak(service, questions, asked.connections, asked.soak))
    return found


def _table(found: dict[str, Any]) -> str:
    lines = [
        f"{'event':15} {'answers':>8} {'wrong':>6} {'lost':>5} {'longest gap s':>14} {'whole after s':>14}  failures"
    ]
    lines += [
        f"{one['event']:15} {one['answers']:8} {one['wrong']:6} {one['lost']:5} {one['longest_gap_s']:14} "
        f"{one['whole_after_s']:14}  {one['failures'] or ''}".rstrip()
        for one in found["events"]
    ]
    return "\n".join([*lines, *([f"soak: {found['soak']}"] if "soak" in found else [])])


if __name__ == "__main__":
    main()
