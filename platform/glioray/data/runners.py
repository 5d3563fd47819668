"""Who does the parts of a preparation: threads of this process, or the actors of `glioray.data.parallel`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs the same work on every item, in any order, and tells of each that is done."""

    def __call__(
        self, work: Callable[[Item], None], items: Sequence[Item], on_done: Callable[[Item], None]
    ) -> None: ...


def run_here(num_threads: int) -> Runner:
    """A runner of threads."""

    def run(work: Callable[[Item], None], items: Sequence[Item], on_done: Callable[[Item], None]) -> None:
        for item, _ in zip(items, in_order(work, items, num_threads), strict=True):
            on_done(item)

    return run


def in_order(work: Callable[[Item], Result], items: Iterable[Item], num_threads: int) -> Iterator[Result]:
    """Results in the order of the items, computed by threads, a bounded number ahead."""
    before = torch.get_num_threads()
    waiting: deque[Future[Result]] = deque()
    # One torch thread in each of ours: more would only get in each other's way.
    with ThreadPoolExecutor(num_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * num_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(before)
