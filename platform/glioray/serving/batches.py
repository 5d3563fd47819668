"""Requests for one model, gathered into passes through its network. No Ray."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from glioray.serving.answering import Reply, Wish
from glioray.serving.problems import Problem
from glioray.serving.upload import Upload

Answered = list[Reply | Problem]


class QueueFullError(Exception):
    """As many requests wait as may."""


@dataclass(frozen=True)
class _Waiting:
    upload: Upload
    wish: Wish
    reply: asyncio.Future[Reply | Problem]


class Batches:
    """While one pass is at work, the next one gathers: nobody waits for a batch to be full.

    Passes run on a thread, beside the loop on which requests arrive; used on that one loop.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Upload], Sequence[Wish]], Answered],
        executor: Executor,
        max_size: int,
        max_waiting: int,
        wait_s: float = 0,
    ) -> None:
        self._answer = answer
        self._executor = executor
        self._max_size = max_size
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._waiting: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, upload: Upload, wish: Wish) -> Reply | Problem:
        """The reply to one request; a caller that is cancelled before its pass begins takes no place in it.

        Raises:
            QueueFullError: see there.
        """
        if len(self._waiting) >= self._max_waiting:
            raise QueueFullError
        asked = _Waiting(upload, wish, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        try:
            return await asked.reply
        finally:
            if not asked.reply.done():
                asked.reply.cancel()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self._wait_s)
            batch = self._take()
            if not batch:
                continue
            uploads, wishes = [one.upload for one in batch], [one.wish for one in batch]
            try:
                replies = await loop.run_in_executor(self._executor, self._answer, uploads, wishes)
            except Exception as error:  # of the network: every request of this pass has failed, and no other
                for one in batch:
                    if not one.reply.done():
                        one.reply.set_exception(error)
                continue
            for one, reply in zip(batch, replies, strict=True):
                if not one.reply.done():
                    one.reply.set_result(reply)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._max_size:
            asked = self._waiting.popleft()
            if not asked.reply.done():
                batch.append(asked)
        return batch
