"""Where volumes are handed in, watched and fetched, in this process or in another. No Ray."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from glioray.serving.choosing import require_known
from glioray.serving.jobs import Job, Jobs, require_slice, result_of
from glioray.serving.problems import ProblemError
from glioray.serving.schemas import ModelInfo
from glioray.serving.turns import ReplicaState, Turns
from glioray.serving.upload import Sent
from glioray.serving.volume_schemas import JobStatus
from glioray.serving.volume_settings import VolumeArgs
from glioray.serving.volumes import SegmentedVolume, Step

Segment = Callable[[ModelInfo, Sent], AsyncGenerator[Step, None]]


@dataclass(frozen=True)
class Errand:
    """A volume that is handed in, for whom, and for which model."""

    model: ModelInfo
    sent: Sent
    reject_out_of_domain: bool = False
    owner: str | None = None
    """name of the key that sent it; nobody else can ask for it"""
    job_id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """known to the sender before the job is: who hangs up meanwhile can drop it"""


@dataclass(frozen=True)
class Finished:
    """A segmented volume, the model that it is of, and how long it took."""

    model: ModelInfo
    segmented: SegmentedVolume
    elapsed_s: float


class Desk(Protocol):
    """What the API knows of jobs; each call raises ProblemError as `Jobs` does."""

    async def start(self, errand: Errand) -> JobStatus:
        """The job that the errand has become."""

    async def status(self, job_id: str, owner: str | None) -> JobStatus:
        """How far a job is."""

    async def result(self, job_id: str, owner: str | None, wait: bool = False) -> Finished:
        """What a job came to, at its end or, without waiting, where it has ended."""

    async def pictures(self, job_id: str, owner: str | None, number: int) -> dict[str, bytes]:
        """A slice of a finished job as PNG, by channel: what is shown alone, without the rest of the volume."""

    async def cancel(self, job_id: str, owner: str | None) -> None:
        """Ends a job, and forgets it."""

    def drop(self, job_id: str) -> None:
        """As `cancel`, of a job that may be gone already; does not wait."""

    async def replicas(self) -> dict[str, ReplicaState]:
        """Every process that answers, and what with."""


class LocalDesk:
    """The desk itself, over the jobs of this process."""

    def __init__(self, args: VolumeArgs, segment: Segment) -> None:
        self.jobs = Jobs(args)
        self.turns = Turns()
        self._segment = segment

    async def start(self, errand: Errand) -> JobStatus:
        """Raises ProblemError 503 where too much waits already."""
        job = self.jobs.start(
            errand.model, errand.sent.num_bytes, lambda: self._steps(errand), errand.owner, errand.job_id
        )
        return self._status(job)

    async def status(self, job_id: str, owner: str | None) -> JobStatus:
        """Raises ProblemError 404."""
        return self._status(self.jobs.get(job_id, owner))

    async def result(self, job_id: str, owner: str | None, wait: bool = False) -> Finished:
        """Raises ProblemError 404, 409 where it has not ended, or what ended it."""
        job = self.jobs.get(job_id, owner)
        segmented = await self.jobs.finished(job) if wait else result_of(job)
        return Finished(job.model, segmented, self.jobs.elapsed_s(job))

    async def pictures(self, job_id: str, owner: str | None, number: int) -> dict[str, bytes]:
        """Raises ProblemError as `result`, and 422 where there is no such slice."""
        segmented = result_of(self.jobs.get(job_id, owner))
        require_slice(segmented, number)
        return {name: slices[number] for name, slices in segmented.pictures.items()}

    async def cancel(self, job_id: str, owner: str | None) -> None:
        """Raises ProblemError 404."""
        self.jobs.forget(self.jobs.get(job_id, owner).job_id)

    def drop(self, job_id: str) -> None:
        """Never raises."""
        self.jobs.forget(job_id)

    async def replicas(self) -> dict[str, ReplicaState]:
        """Those that have checked in."""
        return self.turns.replicas()

    def _status(self, job: Job) -> JobStatus:
        return JobStatus.of(job, self.jobs.elapsed_s(job))

    async def _steps(self, errand: Errand) -> AsyncGenerator[Step, None]:
        """The work; a volume that the model does not know ends in a problem, where that was asked for."""
        async for step in self._segment(errand.model, errand.sent):
            if errand.reject_out_of_domain and isinstance(step, SegmentedVolume):
                try:
                    require_known(errand.model, step.in_domain)
                except ProblemError as error:
                    yield error.problem
                    return
            yield step
