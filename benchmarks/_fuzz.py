"""Spoiled files, the same for a seed, and what must hold of every reply to one."""

from __future__ import annotations

import collections
import json
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
from _served import Service
from _spoil import SPOIL

PATHS = ("/v1/classify", "/v1/segment")
WAYS = ("body", "form")
PROBLEM, JSON = "application/problem+json", "application/json"
BOUNDARY = "glioray-fuzz"
AT_ONCE = 3
UNFORESEEN = ("breaks its decoder", "breaks its reader")


@dataclass(frozen=True)
class Spoiled:
    """One request: a file of a kind, spoiled in a way, sent in a way to a path."""

    kind: str
    how: str
    path: str
    way: str
    content: bytes

    def request(self, client: httpx.Client) -> httpx.Response:
        if self.way == "body":
            return client.post(self.path, content=self.content)
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="scan"\r\n\r\n'.encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return client.post(self.path, content=head + self.content + f"\r\n--{BOUNDARY}--\r\n".encode(), headers=kind)


@dataclass
class Tally:
    """How replies were: by kind and status, those that broke a rule, and those of a decoder that nobody foresaw."""

    statuses: collections.Counter[tuple[str, int]] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)
    unforeseen: collections.Counter[str] = field(default_factory=collections.Counter)

    def add(self, spoiled: Spoiled, response: httpx.Response) -> None:
        self.statuses[spoiled.kind, response.status_code] += 1
        about = f"{spoiled.kind}, {spoiled.how}, {spoiled.way} to {spoiled.path}"
        self.faults += [f"{about}: {fault}" for fault in faults_of(response)]
        if any(words in response.text for words in UNFORESEEN):
            self.unforeseen[spoiled.kind] += 1

    def of(self, kind: str) -> dict[int, int]:
        """How many of each status."""
        return {status: count for (name, status), count in sorted(self.statuses.items()) if name == kind}


def faults_of(response: httpx.Response) -> list[str]:
    """What is wrong with a reply: a 5xx that is not 503, no JSON or problem, another status inside, a stack trace."""
    status, kind = response.status_code, response.headers.get("content-type", "").split(";")[0]
    faults = [f"status {status}"] if status >= 500 and status != 503 else []
    if "Traceback" in response.text:
        faults.append("shows a stack trace")
    wanted = JSON if status in (200, 202) else PROBLEM
    try:
        content = json.loads(response.text)
    except ValueError:
        return [*faults, f"{status} is not JSON: {response.text[:80]!r}"]
    if kind != wanted:
        faults.append(f"{status} is {kind!r}, wanted {wanted!r}")
    if wanted == PROBLEM and (content.get("status") != status or not content.get("title") or not content.get("detail")):
        faults.append(f"{status} is no whole problem: {content}")
    if status == 503 and "retry-after" not in response.headers:
        faults.append("503 does not say when to come back")
    return faults


def spoiled_files(good: Mapping[str, bytes], count: int, seed: int) -> Iterator[Spoiled]:
    """As many, going round over kinds, paths, ways and kinds of damage."""
    kinds = list(good)
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        kind = kinds[number % len(kinds)]
        how = rng.choice(list(SPOIL))
        content = SPOIL[how](rng, good[kind], good[rng.choice(kinds)]) or b"\0"
        yield Spoiled(kind, how, rng.choice(PATHS), rng.choice(WAYS), content)


def fuzz(service: Service, good: Mapping[str, bytes], count: int, seed: int) -> Tally:
    """Sends them, a few at once."""
    tally = Tally()
    with service.client() as client, ThreadPoolExecutor(AT_ONCE) as pool:
        files = list(spoiled_files(good, count, seed))
        for spoiled, response in zip(files, pool.map(lambda one: one.request(client), files), strict=True):
            tally.add(spoiled, response)
    return tally
