"""Connections that trickle, while somebody well-behaved goes on asking."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

import httpx
from _raw import Told, has_answer, read_answer, told
from _served import Service

NUM_LINES, EVERY_S = 50, 0.5


@dataclass
class Bystander:
    """Asks for health and for the class of a good image in turn for as long as the context lasts; counts failures."""

    service: Service
    image: bytes
    waits_s: list[float] = field(default_factory=list)
    failures: collections.Counter[str] = field(default_factory=collections.Counter)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Bystander:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def longest_s(self) -> float:
        return max(self.waits_s, default=0.0)

    def _ask(self) -> None:
        with self.service.client(timeout_s=60) as client:
            while not self._done.wait(0.1):
                started_at = time.perf_counter()
                try:
                    for response in (client.get("/healthz"), client.post("/v1/classify", content=self.image)):
                        if response.status_code != 200:
                            self.failures[str(response.status_code)] += 1
                except httpx.HTTPError as error:
                    self.failures[type(error).__name__] += 1
                self.waits_s.append(time.perf_counter() - started_at)


def trickle(service: Service, start: bytes, drop: bytes, seconds: float) -> Told:
    """So many connections that each send a start, and then a drop twice a second; what became of them."""
    lines = [socket.create_connection(service.address, 10) for _ in range(NUM_LINES)]
    outcomes: collections.Counter[str] = collections.Counter()
    open_lines = dict.fromkeys(lines)
    for line in lines:
        line.sendall(start)
    give_up_at = time.monotonic() + seconds
    while open_lines and time.monotonic() < give_up_at:
        time.sleep(EVERY_S)
        for line in tuple(open_lines):
            if has_answer(line) or not _sent(line, drop):
                outcomes[_outcome(line)] += 1
                del open_lines[line]
    for line in lines:
        line.close()
    still = {f"still open after {seconds:g} s": len(open_lines)} if open_lines else {}
    counted = ", ".join(f"{count} x {outcome}" for outcome, count in ({**outcomes, **still}).items())
    statuses = {int(outcome[:3]) for outcome in outcomes if outcome[:3].isdigit()}
    return Told(min(statuses) if len(statuses) == 1 and not still else None, counted)


def _sent(line: socket.socket, drop: bytes) -> bool:
    try:
        line.sendall(drop)
    except OSError:
        return False
    return True


def _outcome(line: socket.socket) -> str:
    with contextlib.suppress(OSError):
        answer = told(read_answer(line))
        return f"{answer.status} {answer.words.split(':')[0]}" if answer.status else answer.words
    return "reset"
