"""One service under load, of which something is killed, or whose version is changed, round by round."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import torch

sys.path.insert(0, str(Path(__file__).parent))
from _family import Family
from _load import WRONG, Loaded, Question, load
from _questions import RECIPES, trained
from _services import our_service, published
from serve_trouble import second_version

from glioray.client import Client
from glioray.cluster import free_port
from glioray.errors import GliorayError
from glioray.registry.rollout import change
from glioray.registry.store import Store

NAME, TASK = RECIPES["classification"], "classification"
VICTIMS = ("replica", "controller", "proxy")
CHANGE = "version changed"
READY_S, WHOLE_S, LOAD_S, CONNECTIONS = 300.0, 120.0, 4.0, 4


@dataclass
class Served:
    """The service, the questions it is asked, and the version it should answer with."""

    family: Family
    url: str
    registry: str
    questions: tuple[Question, ...]
    version: int = 1

    def play(self, rng: random.Random) -> tuple[str, float, tuple[str, ...]]:
        """One harm under load; what it was, when, and what did not hold."""
        harm = rng.choice((*VICTIMS, CHANGE))
        after_s = rng.uniform(0, LOAD_S / 2)
        loaded, broken = asyncio.run(self._under_load(harm, after_s, rng))
        if wrong := loaded.failures.get(WRONG):
            broken.append(f"{wrong} answers are not of the version that they name")
        if harm == CHANGE and loaded.errors:
            broken.append(f"a change of version cost requests: {loaded.failures}")
        return harm, after_s, tuple(broken)

    async def _under_load(self, harm: str, after_s: float, rng: random.Random) -> tuple[Loaded, list[str]]:
        """The load goes on until the service is whole again."""
        is_over = asyncio.Event()
        loading = asyncio.create_task(load(self.url, self.questions, CONNECTIONS, WHOLE_S + LOAD_S, is_over))
        await asyncio.sleep(after_s)
        broken = await asyncio.to_thread(self._harm, harm, rng)
        await asyncio.sleep(LOAD_S - after_s)
        is_over.set()
        return await loading, broken

    def _harm(self, harm: str, rng: random.Random) -> list[str]:
        if harm == CHANGE:
            self.version = 3 - self.version
            change(Store(self.registry), NAME, to=self.version)
        else:
            before = set(self._replicas() or ())
            _until(lambda: self.family.has(harm))  # else the whole service would be ended in its place
            self.family.kill(harm, rng)
            if harm == "replica":
                _until(lambda: bool(set(self._replicas() or before) - before))
        with Client(self.url) as client, contextlib.suppress(GliorayError):
            client.wait_for_rollout(NAME, {self.version}, timeout_s=WHOLE_S)
        if not _until(self._is_whole):
            return [f"not whole after {WHOLE_S:.0f} s: {self._replicas()}"]
        return []

    def _is_whole(self) -> bool:
        """Whether a question is answered by the version that it should be, and what was killed has started again."""
        if not all(self.family.has(one) for one in VICTIMS):
            return False
        question = self.questions[0]
        try:
            url, kind = self.url + question.path, {"Content-Type": question.content_type}
            answer = httpx.post(url, content=question.body, headers=kind, timeout=10)
            return answer.status_code == 200 and answer.json()["version"] == self.version and bool(self._replicas())
        except httpx.HTTPError:
            return False

    def _replicas(self) -> dict[str, object] | None:
        try:
            answer = httpx.get(f"{self.url}/v1/replicas", timeout=10)
            return dict(answer.json()["replicas"]) if answer.status_code == 200 else None
        except httpx.HTTPError:
            return None


def _until(is_so: object) -> bool:
    assert callable(is_so)
    give_up_at = time.monotonic() + WHOLE_S
    while time.monotonic() < give_up_at:
        if is_so():
            return True
        time.sleep(0.25)
    return False


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Two models on two replicas, the classifier in two versions; ended with all that it started."""
    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    served = {task: trained(task, folder / task) for task in RECIPES}
    registry, port = published(served, folder / "registry"), free_port(8400)
    second, questions = second_version(served[TASK], folder / "second")
    change(Store(registry), NAME, to=1)
    Store(registry).publish(second, NAME)
    url = f"http://127.0.0.1:{port}"
    family = Family(our_service(registry, port, folder, {"replicas": 2, "follow_s": 1}), folder / "log")
    try:
        service = Served(family, url, registry, questions)
        while not service._is_whole() or len(service._replicas() or ()) < 2:
            time.sleep(0.5)
            if family.process.poll() is not None:
                raise SystemExit(f"the service ended: {family.log.read_text()[-2000:]}")
        yield service
    finally:
        family.end()
