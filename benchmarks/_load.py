"""Requests over kept connections, as many at once as asked for, with every answer looked at. Bounded in time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

Answer = dict[str, Any]
LOST, WRONG = "lost", "wrong answer"


@dataclass(frozen=True)
class Question:
    """A body to post, and what makes an answer to it right."""

    path: str
    body: bytes
    is_right: Callable[[Answer], bool]
    content_type: str = "application/octet-stream"

    def request(self, host: str) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass
class Loaded:
    """What came of it: seconds of each right answer, when it came, and how often something else."""

    began_at: float = 0.0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)

    @property
    def a_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def errors(self) -> int:
        return sum(self.failures.values())

    def ms(self, percentile: float) -> float:
        return float(np.percentile(self.latencies, percentile)) * 1000 if self.latencies else float("nan")

    @property
    def longest_gap_s(self) -> float:
        """Between two right answers, whoever asked."""
        ends = np.sort(np.asarray([self.began_at, *self.ends]))
        return float(np.diff(ends).max()) if len(ends) > 1 else float("nan")

    def fail(self, kind: str) -> None:
        self.failures[kind] = self.failures.get(kind, 0) + 1


async def load(
    url: str, questions: Sequence[Question], connections: int, seconds: float, until: asyncio.Event | None = None
) -> Loaded:
    """Every connection asks, waits for the answer and asks again, each from another question on.

    Args:
        url: of the service.
        questions: asked in turn.
        connections: at once.
        seconds: after which no more is asked.
        until: ends it earlier.
    """
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    requests = [(question.request(f"{host}:{port}"), question) for question in questions]
    loaded = Loaded(began_at=time.perf_counter())
    ends_at = loaded.began_at + seconds
    await asyncio.gather(
        *(_ask_on(host, port, requests, number, ends_at, until, loaded) for number in range(connections))
    )
    loaded.seconds = time.perf_counter() - loaded.began_at
    return loaded


async def _ask_on(
    host: str,
    port: int,
    requests: Sequence[tuple[bytes, Question]],
    number: int,
    ends_at: float,
    until: asyncio.Event | None,
    loaded: Loaded,
) -> None:
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    while time.perf_counter() < ends_at and not (until and until.is_set()):
        request, question = requests[number % len(requests)]
        number += 1
        asked_at = time.perf_counter()
        try:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            status, body, is_kept = await asyncio.wait_for(_read(reader), 60)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            loaded.fail(f"{LOST}: {type(error).__name__}")
            reader = writer = None
            await asyncio.sleep(0.05)
            continue
        _note(loaded, status, body, question, asked_at)
        if not is_kept:
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


def _note(loaded: Loaded, status: int, body: bytes, question: Question, asked_at: float) -> None:
    if status != 200:
        loaded.fail(str(status))
        return
    answer = json.loads(body)
    if not question.is_right(answer):
        loaded.fail(WRONG)
        return
    now = time.perf_counter()
    loaded.latencies.append(now - asked_at)
    loaded.ends.append(now)
    version = int(answer.get("version", 0))
    loaded.versions[version] = loaded.versions.get(version, 0) + 1


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status and body of an answer, and whether the connection stays; it says its length, or comes in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = head.split("\r\n")
    status = int(lines[0].split(" ", 2)[1])
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    is_kept = headers.get("connection") != "close"
    if "content-length" in headers:
        return status, await reader.readexactly(int(headers["content-length"])), is_kept
    body = bytearray()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return status, bytes(body), is_kept
