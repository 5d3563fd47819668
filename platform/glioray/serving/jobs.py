"""Volumes that wait, are worked on, or can be fetched: bounded in number, bytes and age.

They live in the memory of one process, whichever of several a request for them comes to. Ids cannot be guessed, and
where there are keys a job is its sender's alone. Nothing is written to a disk, and a restart forgets all jobs.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from glioray.serving.problems import Problem, ProblemError, come_back
from glioray.serving.schemas import ModelInfo
from glioray.serving.volume_settings import VolumeArgs
from glioray.serving.volumes import Progress, SegmentedVolume, Step

State = Literal["queued", "running", "done", "failed"]


@dataclass
class Job:
    """One volume and what has become of it."""

    job_id: str
    model: ModelInfo
    num_bytes: int
    """of memory: of the body, then of the result"""
    started_at: float
    owner: str | None = None
    """name of the key that sent it"""
    state: State = "queued"
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    result: SegmentedVolume | None = None
    problem: Problem | None = None
    ended_at: float | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether it waits or is worked on."""
        return self.ended_at is None


class Jobs:
    """All jobs of the service; used on one event loop."""

    def __init__(self, args: VolumeArgs, clock: Callable[[], float] = time.monotonic) -> None:
        self.args = args
        self.clock = clock
        self._jobs: dict[str, Job] = {}
        self._turns = asyncio.Semaphore(args.at_once)

    def start(
        self,
        model: ModelInfo,
        num_bytes: int,
        steps: Callable[[], AsyncGenerator[Step, None]],
        owner: str | None = None,
        job_id: str | None = None,
    ) -> Job:
        """A job that waits for its turn, and then takes the steps.

        Args:
            model: that is asked.
            num_bytes: of what was sent, which is held until the job is done.
            steps: begins the work.
            owner: who alone may ask for it, by the name of a key.
            job_id: that nobody can guess; none makes one.

        Raises:
            ProblemError: 503, too many volumes wait, or they take too much memory.
        """
        self._forget_old()
        waiting = sum(job.is_open for job in self._jobs.values())
        if waiting >= self.args.max_waiting:
            raise self._full(f"{waiting} volumes wait or are worked on")
        self._make_room(num_bytes)
        job = Job(job_id or secrets.token_urlsafe(24), model, num_bytes, self.clock(), owner)
        self._jobs[job.job_id] = job
        job.task = asyncio.create_task(self._run(job, steps))
        return job

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """A job by its id.

        Raises:
            ProblemError: 404, there is none, or no longer, or it is another's.
        """
        self._forget_old()
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            raise ProblemError(
                404,
                "There is no such job",
                f"It was deleted, or its time is over: a finished job is kept for {self.args.keep_s:g} s. "
                "Send the volume again.",
            )
        return job

    def forget(self, job_id: str) -> None:
        """Drops a job and what it holds, if it is there; one that is worked on stops before its next batch."""
        job = self._jobs.pop(job_id, None)
        if job is not None and job.task is not None:
            job.task.cancel()

    def elapsed_s(self, job: Job) -> float:
        """Since it was sent, until it ended."""
        return (self.clock() if job.ended_at is None else job.ended_at) - job.started_at

    async def finished(self, job: Job) -> SegmentedVolume:
        """Waits for a job.

        Raises:
            ProblemError: what ended it.
        """
        if job.task is not None:
            await asyncio.wait([job.task])
        return result_of(job)

    async def _run(self, job: Job, steps: Callable[[], AsyncGenerator[Step, None]]) -> None:
        try:
            async with self._turns, asyncio.timeout(self.args.timeout_s):
                job.state = "running"
                async with aclosing(steps()) as taken:
                    async for step in taken:
                        _note(job, step)
        except TimeoutError:
            job.problem = Problem(503, "The volume took too long", f"It was given up after {self.args.timeout_s:g} s.")
        except ProblemError as error:
            job.problem = error.problem
        except Exception:
            logging.getLogger(__name__).exception("a volume was not segmented")
        self._end(job)

    def _end(self, job: Job) -> None:
        if job.result is None and job.problem is None:
            job.problem = Problem(500, "Something went wrong here", "The cause is in the log of the service.")
        job.state = "failed" if job.result is None else "done"
        job.num_bytes = 0 if job.result is None else job.result.num_bytes
        job.ended_at = self.clock()
        # Scans of people are not to lie in memory until somebody happens to ask.
        asyncio.get_running_loop().call_later(self.args.keep_s + 1, self._forget_old)

    def _forget_old(self) -> None:
        oldest = self.clock() - self.args.keep_s
        for job in self._finished():
            if job.ended_at is not None and job.ended_at < oldest:
                self.forget(job.job_id)

    def _make_room(self, num_bytes: int) -> None:
        """The oldest results make room for new work; open jobs do not."""
        finished = self._finished()
        while finished and (len(finished) >= self.args.max_kept or self._held(num_bytes) > self.args.max_kept_bytes):
            self.forget(finished.pop(0).job_id)
        if self._held(num_bytes) > self.args.max_kept_bytes:
            raise self._full(f"volumes of {self._held(0) / 1e6:,.0f} MB are here already")

    def _held(self, more_bytes: int) -> int:
        return more_bytes + sum(job.num_bytes for job in self._jobs.values())

    def _finished(self) -> list[Job]:
        finished = [job for job in self._jobs.values() if not job.is_open]
        return sorted(finished, key=lambda job: job.ended_at or 0)

    def _full(self, cause: str) -> ProblemError:
        return come_back("The service is busy", cause, "volume", self.args.retry_after_s)


def result_of(job: Job) -> SegmentedVolume:
    """What a job came to.

    Raises:
        ProblemError: what ended it, or 409 where it has not ended.
    """
    if job.problem is not None:
        raise ProblemError.of(job.problem)
    if job.result is None:
        detail = f"{job.progress.done} of {job.progress.total} slices are done. Ask for /v1/jobs/{job.job_id}."
        raise ProblemError(409, "The job is not done", detail, 1)
    return job.result


def require_slice(segmented: SegmentedVolume, number: int) -> None:
    """Refuses a slice that a volume does not have.

    Raises:
        ProblemError: 422.
    """
    num_slices = segmented.shape[0]
    if number >= num_slices:
        raise ProblemError(
            422, "There is no such slice", f"slice={number}: the volume has {num_slices}; wanted 0 to {num_slices - 1}."
        )


def _note(job: Job, step: Step) -> None:
    match step:
        case Progress():
            job.progress = step
        case SegmentedVolume():
            job.result = step
        case Problem():
            job.problem = step
