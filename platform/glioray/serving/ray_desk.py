"""The desk for volumes as a deployment of Ray Serve, and as the replicas of the models see it.

`from __future__ import annotations` must not stand here: it silently turns typed arguments of Serve off.
"""

from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, TypeVar

from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from glioray.serving.desk import Errand, Finished, LocalDesk
from glioray.serving.problems import Problem, ProblemError, come_back
from glioray.serving.schemas import ModelInfo
from glioray.serving.settings import ServeArgs
from glioray.serving.turns import ReplicaState
from glioray.serving.upload import Sent
from glioray.serving.volume_schemas import JobStatus
from glioray.serving.volumes import Step

MODELS = "models"
"""the deployment whose replicas segment"""
T = TypeVar("T")


@serve.deployment  # type: ignore[untyped-decorator]
class VolumeDesk:
    """Keeps the jobs of all replicas, and has their volumes segmented by whichever is free.

    A problem is a value here: raised in a replica, it would fill the log with stack traces of what a client did.
    """

    def __init__(self, args: ServeArgs) -> None:
        self.args = args
        self.desk = LocalDesk(args.volumes, self._segment)

    async def start(self, errand: Errand) -> JobStatus | Problem:
        """As `Desk.start`."""
        return await _as_value(self.desk.start(errand))

    async def status(self, job_id: str, owner: str | None) -> JobStatus | Problem:
        """As `Desk.status`."""
        return await _as_value(self.desk.status(job_id, owner))

    async def result(self, job_id: str, owner: str | None, wait: bool) -> Finished | Problem:
        """As `Desk.result`."""
        return await _as_value(self.desk.result(job_id, owner, wait))

    async def pictures(self, job_id: str, owner: str | None, number: int) -> dict[str, bytes] | Problem:
        """As `Desk.pictures`."""
        return await _as_value(self.desk.pictures(job_id, owner, number))

    async def cancel(self, job_id: str, owner: str | None) -> Problem | None:
        """As `Desk.cancel`."""
        return await _as_value(self.desk.cancel(job_id, owner))

    async def drop(self, job_id: str) -> None:
        """As `Desk.drop`."""
        self.desk.drop(job_id)

    async def replicas(self) -> dict[str, ReplicaState]:
        """As `Desk.replicas`."""
        return await self.desk.replicas()

    async def check_in(self, replica: str, state: ReplicaState, wants_turn: bool) -> bool:
        """As `Turns.check_in`."""
        return self.desk.turns.check_in(replica, state, wants_turn)

    async def _segment(self, info: ModelInfo, sent: Sent) -> AsyncGenerator[Step, None]:
        models = serve.get_deployment_handle(MODELS, serve.get_replica_context().app_name)
        steps = models.options(stream=True).segment_volume.remote(info.reference, sent)
        with _problems("The model", self.args.retry_after_s):
            try:
                async for step in steps:
                    yield step
            finally:
                steps.cancel()


class RemoteDesk:
    """The desk as a replica sees it; what Ray raises becomes a problem."""

    def __init__(self, handle: DeploymentHandle, args: ServeArgs) -> None:
        self.handle = handle
        self.args = args

    async def start(self, errand: Errand) -> JobStatus:
        """Raises ProblemError."""
        status: JobStatus = await self._ask(self.handle.start.remote(errand))
        return status

    async def status(self, job_id: str, owner: str | None) -> JobStatus:
        """Raises ProblemError."""
        status: JobStatus = await self._ask(self.handle.status.remote(job_id, owner))
        return status

    async def result(self, job_id: str, owner: str | None, wait: bool = False) -> Finished:
        """Raises ProblemError."""
        finished: Finished = await self._ask(self.handle.result.remote(job_id, owner, wait))
        return finished

    async def pictures(self, job_id: str, owner: str | None, number: int) -> dict[str, bytes]:
        """Raises ProblemError."""
        pictures: dict[str, bytes] = await self._ask(self.handle.pictures.remote(job_id, owner, number))
        return pictures

    async def cancel(self, job_id: str, owner: str | None) -> None:
        """Raises ProblemError."""
        await self._ask(self.handle.cancel.remote(job_id, owner))

    def drop(self, job_id: str) -> None:
        """Sends it off as a request of nobody's: with whoever hung up, Serve would cancel what was sent for them."""
        Context().run(self.handle.drop.remote, job_id)

    async def replicas(self) -> dict[str, ReplicaState]:
        """Raises ProblemError."""
        replicas: dict[str, ReplicaState] = await self._ask(self.handle.replicas.remote())
        return replicas

    async def check_in(self, replica: str, state: ReplicaState, wants_turn: bool) -> bool:
        """Raises ProblemError."""
        may_change: bool = await self._ask(self.handle.check_in.remote(replica, state, wants_turn))
        return may_change

    async def _ask(self, response: Any) -> Any:
        with _problems("The desk for volumes", self.args.retry_after_s):
            answer = await response
        if isinstance(answer, Problem):
            raise ProblemError.of(answer)
        return answer


async def _as_value(work: Awaitable[T]) -> T | Problem:
    try:
        return await work
    except ProblemError as error:
        return error.problem


@contextmanager
def _problems(what: str, retry_after_s: int) -> Iterator[None]:
    """What Ray raises as a problem."""
    try:
        yield
    except BackPressureError:
        raise come_back(f"{what} is busy", "Too much waits for it", "request", retry_after_s) from None
    except (RayActorError, DeploymentUnavailableError):
        raise come_back(f"{what} is restarting", "Its process ended", "request", retry_after_s) from None
