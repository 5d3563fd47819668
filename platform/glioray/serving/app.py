"""The service on Ray Serve: an ingress that speaks HTTP, and a deployment for each model.

`from __future__ import annotations` must not stand here: it silently turns typed arguments of Serve off.
Bytes cross from ingress to model as they came; decoding, preparing and the network share one process.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import torch
from ray import serve
from ray.exceptions import RayActorError
from ray.serve import Application
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from glioray.errors import ServingError
from glioray.registry.store import Store
from glioray.serving import metrics
from glioray.serving.access_log import open_log
from glioray.serving.answering import Reply, Wish, answer_all
from glioray.serving.api import create_api
from glioray.serving.catalog import Catalog, find_models
from glioray.serving.guard import Guard, Rules
from glioray.serving.keys import KeyFile, KeyRing, find_keys
from glioray.serving.predictor import Predictor
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.ray_metrics import RayMetrics
from glioray.serving.schemas import ModelInfo
from glioray.serving.settings import ServeArgs
from glioray.serving.upload import Sent, Upload
from glioray.serving.volumes import Step, segment_volume

APP_NAME = "glioray"
READY_TIMEOUT_S = 2.0
END_TIMEOUT_S = 30.0


@serve.deployment  # type: ignore[untyped-decorator]
class Model:
    """One replica of a published model."""

    def __init__(self, registry: str, reference: str, args: ServeArgs) -> None:
        torch.set_num_threads(args.threads)
        self.args = args
        _, bundle = Store(registry).load(reference)
        self.predictor = Predictor.load(bundle, precision=args.precision)
        self.answer.set_max_batch_size(args.max_batch_size)
        self.answer.set_batch_wait_timeout_s(args.batch_wait_ms / 1000)
        signature = bundle.config.signature
        shape = (1, signature.in_channels, signature.image_size, signature.image_size)
        self.predictor.predict(torch.zeros(shape, dtype=torch.uint8))  # the first pass is slow: not a person's
        self.reference = reference
        self.metrics = RayMetrics()

    async def is_ready(self) -> bool:
        """The constructor has loaded the model, or nothing would answer."""
        return True

    @serve.batch  # type: ignore[untyped-decorator]
    async def answer(self, uploads: list[Upload], wishes: list[Wish]) -> list[Reply | Problem]:
        """Called with one upload and one wish; Serve gathers those of a batch."""
        # Serve runs this on a loop in a thread of its own, apart from the one that takes requests and is asked for
        # health. A further thread here only competes for the interpreter: it cost a quarter of the answers.
        self.metrics.add(metrics.of_batch(self.reference, len(uploads)))
        return answer_all(self.predictor, uploads, wishes)

    async def segment_volume(self, sent: Sent) -> AsyncGenerator[Step, None]:
        """Step by step; between two batches of its slices those of others are answered."""
        async for step in segment_volume(self.predictor, sent, self.args.volumes.limits, self.args.max_batch_size):
            yield step


class RemoteModel:
    """A model's deployment as the API sees it; what Ray raises becomes a problem."""

    def __init__(self, info: ModelInfo, card: str, handle: DeploymentHandle, args: ServeArgs) -> None:
        self.info = info
        self.card = card
        self.handle = handle
        self.args = args

    async def answer(self, upload: Upload, wish: Wish) -> Reply | Problem:
        """Raises ProblemError 503 where the queue is full, no replica lives, or none answers in time."""
        with self._problems():
            answer: Reply | Problem = await _within(
                self.args.request_timeout_s, self.handle.answer.remote(upload, wish)
            )
        return answer

    async def segment_volume(self, sent: Sent) -> AsyncGenerator[Step, None]:
        """Raises as `answer`; the replica stops as soon as this is closed."""
        steps = self.handle.options(stream=True).segment_volume.remote(sent)
        with self._problems():
            try:
                async for step in steps:
                    yield step
            finally:
                steps.cancel()

    async def is_ready(self) -> bool:
        """A full queue is ready: it answers, only later."""
        try:
            return bool(await _within(READY_TIMEOUT_S, self.handle.is_ready.remote()))
        except BackPressureError:
            return True
        except (TimeoutError, RayActorError):
            return False

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """What Ray raises as a problem."""
        try:
            yield
        except BackPressureError:
            raise self._away("is busy", f"{self.args.max_queued_requests} requests wait for it") from None
        except TimeoutError:
            raise self._away("does not answer", f"no answer in {self.args.request_timeout_s:g} s") from None
        except RayActorError:
            raise self._away("is restarting", "its process ended") from None

    def _away(self, title: str, cause: str) -> ProblemError:
        wait_s = self.args.retry_after_s
        detail = f"{self.info.name}: {cause}. Send the request again in {wait_s} s."
        return ProblemError(503, f"The model {title}", detail, wait_s)


@serve.deployment  # type: ignore[untyped-decorator]
@serve.ingress()
class Ingress:
    """Speaks HTTP; holds no model."""

    def __init__(
        self,
        catalog: Catalog,
        handles: Sequence[DeploymentHandle],
        args: ServeArgs,
        keys: KeyRing | KeyFile | None,
    ) -> None:
        if isinstance(keys, KeyFile):
            keys.read()  # on this node and as it is now: what was read to build the application may be revoked
        self.models = [
            RemoteModel(info, catalog.cards[info.reference], handle, args)
            for info, handle in zip(catalog.models, handles, strict=True)
        ]
        self.args = args
        self.keys = keys

    def __serve_build_asgi_app__(self) -> Guard:
        rules = Rules(
            keys=self.keys,
            allowed_origins=self.args.allowed_origins,
            timeout_s=self.args.total_timeout_s,
            server_sends_id=True,
            metrics=RayMetrics(),
            log=open_log(self.args.access_log),
        )
        return Guard(create_api(self.models, self.args.max_body_bytes, self.args.volumes), rules)


def build(args: ServeArgs) -> Application:
    """The application of a file in `serve/`, with the keys that it names or the environment gives.

    Raises:
        ServingError: nothing is published, or the keys cannot be used.
        RegistryError: a model is not published.
        BundleError: a bundle is damaged.
    """
    return application(args, find_keys(os.environ, args.keys_file))


def application(args: ServeArgs, keys: KeyRing | KeyFile | None) -> Application:
    """The application with these keys; without any it answers its own machine alone. Raises as `find_models`."""
    catalog = find_models(args)
    if args.access_log is not None:  # replicas have working directories of their own
        args = args.model_copy(update={"access_log": str(Path(args.access_log).expanduser().resolve())})
    handles = [_model(catalog.registry, info, args) for info in catalog.models]
    capacity = len(handles) * (args.max_queued_requests + _max_ongoing(args))
    ingress = Ingress.options(  # type: ignore[attr-defined]
        ray_actor_options={"num_cpus": 0}, max_ongoing_requests=2 * capacity
    )
    return ingress.bind(catalog, handles, args, keys)


def deploy(args: ServeArgs, host: str, port: int, keys: KeyRing | KeyFile | None) -> None:
    """Starts Serve on the connected Ray; comes back when every model is loaded.

    Raises:
        ServingError: a model did not start.
    """
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    quiet = {"log_level": "WARNING", "enable_access_log": False}
    built = application(args, keys)
    serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port}, logging_config=quiet)
    try:
        serve.run(built, name=APP_NAME, logging_config=quiet)
    except RuntimeError as error:
        raise ServingError(f"the models did not start: {_last_line(error)}") from error


def end() -> None:
    """Drains the models and ends Serve.

    `serve.shutdown()` alone waits in a call to the controller that the controller's own end cuts off, and Ray prints
    that as an error at every stop. So the controller is told first, and gone before Serve is shut down.
    """
    controller = _controller()
    if controller is not None:
        ray.get(controller.graceful_shutdown.remote(wait=False))
    give_up_at = time.monotonic() + END_TIMEOUT_S
    while _controller() is not None and time.monotonic() < give_up_at:
        time.sleep(0.1)
    serve.shutdown()


def _controller() -> Any:
    try:
        return ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    except ValueError:
        return None


def _model(registry: str, info: ModelInfo, args: ServeArgs) -> Any:
    deployment = Model.options(  # type: ignore[attr-defined]
        name=f"{info.name}-v{info.version}",
        num_replicas=args.replicas,
        ray_actor_options={"num_cpus": args.cpus_per_replica},
        max_ongoing_requests=_max_ongoing(args),
        max_queued_requests=args.max_queued_requests,
    )
    return deployment.bind(registry, info.reference, args)


def _max_ongoing(args: ServeArgs) -> int:
    """Requests inside a replica: a batch at work, and the next one gathering."""
    return 2 * args.max_batch_size


async def _within(timeout_s: float, response: Any) -> Any:
    try:
        return await asyncio.wait_for(response, timeout_s)
    except (TimeoutError, asyncio.CancelledError):
        response.cancel()
        raise


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
