"""A model of this process, behind the API: its queue, its limits, its health. No Ray."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import torch

from glioray.registry.bundle import ModelBundle
from glioray.registry.card import render_card
from glioray.registry.rollout import Serving
from glioray.registry.store import Published, Store
from glioray.serving import metrics
from glioray.serving.answering import Reply, Wish, answer_all
from glioray.serving.batches import Batches, QueueFullError
from glioray.serving.metrics import Metrics
from glioray.serving.predictor import Predictor
from glioray.serving.problems import Problem, ProblemError, come_back
from glioray.serving.schemas import ModelInfo
from glioray.serving.settings import ServeArgs
from glioray.serving.upload import Sent, Upload
from glioray.serving.volumes import Step, segment_volume

READY_TIMEOUT_S = 5.0
FRESH_S = 2.0
"""how long a pass proves that the network answers: whoever asks often, without a key, is not to keep it busy"""


def host(store: Store, reference: str, args: ServeArgs, executor: Executor, measures: Metrics) -> HostedModel:
    """A published model, made ready on the thread of the passes; not to be called from there.

    Folding traces the network with torch.fx, which meanwhile changes how every module of the process is called: a pass
    of another model at that moment fails.

    Raises:
        RegistryError: it is not published.
        BundleError: it is damaged.
    """
    published, bundle = store.load(reference)
    return executor.submit(HostedModel, published, bundle, args, executor, measures).result()


@dataclass
class _LastPass:
    """Of a network, whatever it is served as."""

    ended_at: float = 0.0


class HostedModel:
    """A published model, loaded and warm.

    All models of a process compute on one thread of the executor: together they take `args.threads` cores, and the loop
    on which requests arrive is free meanwhile.
    """

    def __init__(
        self, published: Published, bundle: ModelBundle, args: ServeArgs, executor: Executor, measures: Metrics
    ) -> None:
        self.info = ModelInfo.of(published, bundle.config)
        self.card = render_card(bundle.config)
        self.predictor = Predictor.load(bundle, precision=args.precision)
        self.args = args
        self.executor = executor
        self.measures = measures
        self.batches = Batches(
            self._answer, executor, args.max_batch_size, args.max_queued_requests, args.batch_wait_ms / 1000
        )
        self._last = _LastPass()
        self._predict_nothing()  # the first pass is slow: not a person's

    def as_served(self, wish: Serving) -> HostedModel:
        """The same model, network and queue, as a canary or not, under the aliases of now."""
        other = copy.copy(self)
        other.info = self.info.model_copy(update={"canary_share": wish.share, "aliases": wish.aliases})
        return other

    async def answer(self, upload: Upload, wish: Wish) -> Reply | Problem:
        """Raises ProblemError 503 where the queue is full, or there is no answer in time."""
        try:
            async with asyncio.timeout(self.args.request_timeout_s):
                return await self.batches.ask(upload, wish)
        except QueueFullError:
            raise self._away("is busy", f"{self.args.max_queued_requests} requests wait for it") from None
        except TimeoutError:
            raise self._away("does not answer", f"no answer in {self.args.request_timeout_s:g} s") from None

    async def segment_volume(self, sent: Sent) -> AsyncGenerator[Step, None]:
        """Between two batches of its slices those of others are answered."""
        args = self.args
        async for step in segment_volume(self.predictor, sent, args.volumes.limits, args.max_batch_size, self.executor):
            self._last.ended_at = time.monotonic()
            yield step

    async def is_ready(self, within_s: float = READY_TIMEOUT_S) -> bool:
        """Whether the network answers, or has just answered, with what is before it in the queue."""
        if time.monotonic() - self._last.ended_at < FRESH_S:
            return True
        try:
            async with asyncio.timeout(within_s):
                await asyncio.get_running_loop().run_in_executor(self.executor, self._predict_nothing)
        except Exception:
            return False
        return True

    def _answer(self, uploads: Sequence[Upload], wishes: Sequence[Wish]) -> list[Reply | Problem]:
        self.measures.add(metrics.of_batch(self.info.reference, len(uploads)))
        replies = answer_all(self.predictor, uploads, wishes)
        self._last.ended_at = time.monotonic()
        return replies

    def _predict_nothing(self) -> None:
        signature = self.predictor.config.signature
        shape = (1, signature.in_channels, signature.image_size, signature.image_size)
        self.predictor.predict(torch.zeros(shape, dtype=torch.uint8))
        self._last.ended_at = time.monotonic()

    def _away(self, title: str, cause: str) -> ProblemError:
        return come_back(f"The model {title}", f"{self.info.name}: {cause}", "request", self.args.retry_after_s)
