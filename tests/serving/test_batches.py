"""How requests become passes; the network is a function that notes what it was given."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from glioray.serving.answering import Wish
from glioray.serving.batches import Batches, QueueFullError
from glioray.serving.upload import Upload


class Network:
    """Answers each upload with its name; a pass waits until the gate is open."""

    def __init__(self):
        self.passes = []
        self.gate = threading.Event()
        self.error = None

    def __call__(self, uploads, wishes):
        assert len(uploads) == len(wishes)
        self.passes.append([upload.name for upload in uploads])
        assert self.gate.wait(5)
        if self.error:
            raise self.error
        return [upload.name for upload in uploads]


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def ask(batches, name):
    return asyncio.create_task(batches.ask(Upload(b"", name), Wish()))


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


async def begun(batches, network, name):
    """The request that is in a pass now."""
    asked = ask(batches, name)
    await until(lambda: network.passes)
    return asked


def test_what_comes_during_a_pass_makes_the_next_one(network, executor):
    async def go():
        batches = Batches(network, executor, max_size=3, max_waiting=10)
        first = await begun(batches, network, "a")
        others = [ask(batches, name) for name in "bcde"]
        await asyncio.sleep(0)
        network.gate.set()
        assert await asyncio.gather(first, *others) == list("abcde")
        assert network.passes == [["a"], ["b", "c", "d"], ["e"]]

    asyncio.run(go())


def test_one_more_than_may_wait_is_refused_and_the_others_are_answered(network, executor):
    async def go():
        batches = Batches(network, executor, max_size=2, max_waiting=2)
        at_work = await begun(batches, network, "a")
        waiting = [ask(batches, name) for name in "bc"]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await batches.ask(Upload(b"", "d"), Wish())
        network.gate.set()
        assert await asyncio.gather(at_work, *waiting) == list("abc")

    asyncio.run(go())


def test_who_hangs_up_before_a_pass_takes_no_place_in_it(network, executor):
    async def go():
        batches = Batches(network, executor, max_size=8, max_waiting=8)
        at_work = await begun(batches, network, "a")
        gone, stays = ask(batches, "b"), ask(batches, "c")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        network.gate.set()
        assert (await at_work, await stays) == ("a", "c")
        assert network.passes == [["a"], ["c"]]

    asyncio.run(go())


def test_a_pass_that_fails_fails_those_in_it_and_no_later_one(network, executor):
    async def go():
        batches = Batches(network, executor, max_size=8, max_waiting=8)
        network.gate.set()
        network.error = ZeroDivisionError("in the network")
        with pytest.raises(ZeroDivisionError):
            await batches.ask(Upload(b"", "a"), Wish())
        network.error = None
        assert await batches.ask(Upload(b"", "b"), Wish()) == "b"

    asyncio.run(go())


def test_a_wait_lets_those_who_come_together_share_a_pass(network, executor):
    async def go():
        batches = Batches(network, executor, max_size=8, max_waiting=8, wait_s=0.5)
        network.gate.set()
        first = ask(batches, "a")
        await asyncio.sleep(0.001)
        assert await asyncio.gather(first, ask(batches, "b")) == ["a", "b"]
        assert network.passes == [["a", "b"]]

    asyncio.run(go())
