"""Answers a second over HTTP: the service on Ray, beside the same predictor behind plain FastAPI and uvicorn.

    python benchmarks/serve.py [--seconds 5] [--connections 1 8 32] [--rounds 2] [--json]

A custom_cnn of 128 px answers pictures, a classic_unet of 16 filters slices of four sequences; both are trained for an
epoch on a phantom, since what an answer costs does not depend on what a model has learned. All runs on this machine and
on its loopback, the client too. The servers take turns, connection count by connection count; `ratio` is the service's
answers a second by the plain server's. Every answer is compared with the predictor's own; a wrong one, a lost one or
any status but 200 is an error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from _load import Loaded, load
from _questions import RECIPES, Served, trained
from _services import our_service, plain_service, published, running

from glioray.cluster import free_port

PLAIN, OURS = "plain uvicorn", "glioray serve"


def measure(
    urls: dict[str, str], served: dict[str, Served], counts: list[int], seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """A row for each task and connection count; the servers take turns; a short first turn of each is thrown away."""
    rows = []
    for task in RECIPES:
        questions = served[task].questions
        for count in counts:
            loads: dict[str, list[Loaded]] = {name: [] for name in urls}
            for url in urls.values():
                asyncio.run(load(url, questions, count, 1))
            for _ in range(rounds):
                for name, url in urls.items():
                    loads[name].append(asyncio.run(load(url, questions, count, seconds)))
            rows.append(_row(task, count, loads))
    return rows


def _row(task: str, count: int, loads: dict[str, list[Loaded]]) -> dict[str, Any]:
    figures = {
        name: {
            "a_second": round(statistics.median(one.a_second for one in each), 1),
            **{f"p{p}_ms": round(statistics.median(one.ms(p) for one in each), 2) for p in (50, 95, 99)},
            "errors": sum(one.errors for one in each),
        }
        for name, each in loads.items()
    }
    ratio = statistics.median(
        ours.a_second / plain.a_second for ours, plain in zip(loads[OURS], loads[PLAIN], strict=True)
    )
    return {
        "task": task,
        "connections": count,
        "ratio": round(ratio, 3),
        "p99_ms": figures[OURS]["p99_ms"],
        "errors": figures[OURS]["errors"],
        "servers": figures,
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{'task':15} {'connections':>11} {'server':14} {'answers/s':>9} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} "
        f"{'errors':>6} {'ratio':>6}"
    ]
    for row in rows:
        for name, one in row["servers"].items():
            ratio = f"{row['ratio']:6.2f}" if name == OURS else ""
            lines.append(
                f"{row['task']:15} {row['connections']:11} {name:14} {one['a_second']:9.1f} {one['p50_ms']:8.1f} "
                f"{one['p95_ms']:8.1f} {one['p99_ms']:8.1f} {one['errors']:6} {ratio}".rstrip()
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="of serve/*.yaml, as replicas=2")
    asked = parser.parse_args()
    settings = {name: json.loads(value) for name, _, value in (one.partition("=") for one in asked.set)}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        served = {task: trained(task, folder / task) for task in RECIPES}
        registry = published(served, folder / "registry")
        urls = {}
        for server in (PLAIN, OURS):
            port = free_port(8400)
            urls[server] = f"http://127.0.0.1:{port}"
            command = plain_service(served, port) if server == PLAIN else our_service(registry, port, folder, settings)
            path = "/docs" if server == PLAIN else "/readyz"
            stack.enter_context(running(command, urls[server], path, folder / f"{port}.log"))
        rows = measure(urls, served, asked.connections, asked.seconds, asked.rounds)
    print(json.dumps(rows, indent=1) if asked.json else table(rows))


if __name__ == "__main__":
    main()
