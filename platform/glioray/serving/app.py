"""The service on Ray Serve: replicas that speak HTTP and hold the models, and one desk for volumes.

`from __future__ import annotations` must not stand here: it silently turns typed arguments of Serve off.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
import torch
from ray import serve
from ray.serve import Application
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.handle import DeploymentHandle

from glioray.errors import GliorayError, ServingError
from glioray.registry.store import Store
from glioray.serving.access_log import open_log
from glioray.serving.api import create_api
from glioray.serving.catalog import Catalog, find_models
from glioray.serving.following import Follower
from glioray.serving.guard import Guard, Rules
from glioray.serving.hosted import READY_TIMEOUT_S, host
from glioray.serving.keys import KeyFile, KeyRing, find_keys
from glioray.serving.problems import Problem
from glioray.serving.ray_desk import MODELS, RemoteDesk, VolumeDesk
from glioray.serving.ray_metrics import RayMetrics
from glioray.serving.settings import ServeArgs
from glioray.serving.shelf import Shelf
from glioray.serving.upload import Sent
from glioray.serving.volumes import Step

APP_NAME = "glioray"
END_TIMEOUT_S = 30.0
BUSY_S = 30.0


@serve.deployment  # type: ignore[untyped-decorator]
@serve.ingress()
class Models:
    """One replica: it speaks HTTP and holds every model, so that no image crosses to another process."""

    def __init__(
        self, catalog: Catalog, args: ServeArgs, keys: KeyRing | KeyFile | None, desk: DeploymentHandle
    ) -> None:
        if isinstance(keys, KeyFile):
            keys.read()  # on this node and as it is now: what was read to build the application may be revoked
        self.args = args
        self.keys = keys
        self.desk = RemoteDesk(desk, args)
        self.metrics = RayMetrics()
        executor = ThreadPoolExecutor(1, "predict", torch.set_num_threads, (args.threads,))
        store = Store(catalog.registry)
        self.shelf = Shelf(lambda reference: host(store, reference, args, executor, self.metrics))
        self.shelf.replace(catalog.serving())
        replica = serve.get_replica_context().replica_id.unique_id
        self.follower = Follower(
            self.shelf, catalog.serving, lambda state, wants: self.desk.check_in(replica, state, wants)
        )
        self.following: asyncio.Task[None] | None = None

    def __serve_build_asgi_app__(self) -> Guard:
        rules = Rules(
            keys=self.keys,
            allowed_origins=self.args.allowed_origins,
            timeout_s=self.args.total_timeout_s,
            server_sends_id=True,
            metrics=self.metrics,
            log=open_log(self.args.access_log),
        )
        return Guard(create_api(self.shelf, self.args.max_body_bytes, self.args.volumes, self.desk), rules)

    async def check_health(self) -> None:
        """Serve starts a replica anew whose networks do not answer; the first time it begins to follow the registry."""
        if self.args.follow_s and self.following is None:
            self.following = asyncio.create_task(self.follower.run(self.args.follow_s))
        models = tuple(self.shelf)
        states = await asyncio.gather(*(model.is_ready(_patience_s(self.args)) for model in models))
        if not all(states):
            names = [model.info.reference for model, state in zip(models, states, strict=True) if not state]
            raise RuntimeError(f"no answer: {', '.join(names)}")

    async def segment_volume(self, reference: str, sent: Sent) -> AsyncGenerator[Step, None]:
        """Step by step, for the desk; between two batches of slices others are answered."""
        try:
            model = await asyncio.to_thread(self.shelf.fetch, reference)
        except GliorayError as error:
            yield Problem(503, "The model has changed", f"{error}. Send the volume again.")
            return
        async for step in model.segment_volume(sent):
            yield step


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
    desk = VolumeDesk.options(  # type: ignore[attr-defined]
        name="volumes", ray_actor_options={"num_cpus": 0}, max_ongoing_requests=2 * args.volumes.max_waiting + 100
    ).bind(args)
    models = Models.options(  # type: ignore[attr-defined]
        name=MODELS,
        **_how_many(args),
        ray_actor_options={"num_cpus": args.cpus_per_replica},
        health_check_timeout_s=_patience_s(args) + READY_TIMEOUT_S,
        # Whoever waits for a volume has a place, and the work on the volume has another.
        max_ongoing_requests=2 * len(catalog.serving()) * (args.max_queued_requests + args.max_batch_size)
        + 2 * (args.volumes.max_waiting + args.volumes.at_once),
    )
    return models.bind(catalog, args, keys, desk)


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


def _patience_s(args: ServeArgs) -> float:
    """How long a healthy replica may take for a pass: one that is busy is not to be ended."""
    return max(args.request_timeout_s, BUSY_S)


def _how_many(args: ServeArgs) -> dict[str, Any]:
    if args.max_replicas is None:
        return {"num_replicas": args.replicas}
    bounds = {"min_replicas": args.replicas, "max_replicas": args.max_replicas}
    return {"autoscaling_config": {**bounds, "target_ongoing_requests": args.max_batch_size}}


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
