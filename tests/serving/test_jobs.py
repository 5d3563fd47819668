"""Jobs: their turns, their bounds, their end."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from glioray.registry.store import Published
from glioray.serving.jobs import Jobs, result_of
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.schemas import ModelInfo
from glioray.serving.volume_file import Place
from glioray.serving.volume_settings import VolumeArgs
from glioray.serving.volumes import Progress, SegmentedVolume

RESULT = SegmentedVolume((2, 4, 4), bytes(100), {"edema": (1, 2)}, {"flair": (bytes(900),)}, Place(np.eye(4)), None)


@pytest.fixture
def info(volume_bundle):
    return ModelInfo.of(Published("regions", 1, ()), volume_bundle.config)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Work:
    """Steps that wait until they are let go; counts how many were taken."""

    def __init__(self, last=RESULT):
        self.last, self.taken, self.is_closed = last, 0, False
        self.gate = asyncio.Event()

    async def __call__(self):
        try:
            for done in range(3):
                self.taken += 1
                yield Progress(done, 2)
                await asyncio.sleep(0)
            await self.gate.wait()
            self.taken += 1
            if isinstance(self.last, Exception):
                raise self.last
            yield self.last
        finally:
            self.is_closed = True


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def problem_of(function, *arguments):
    with pytest.raises(ProblemError) as caught:
        function(*arguments)
    return caught.value.problem


def test_a_job_tells_its_progress_and_keeps_its_result(info):
    async def go():
        jobs, work = Jobs(VolumeArgs()), Work()
        job = jobs.start(info, 50_000, work)
        assert (job.state, problem_of(result_of, job).status) == ("queued", 409)
        await settle()
        assert (job.state, job.progress) == ("running", Progress(2, 2))
        work.gate.set()
        assert await jobs.finished(job) is RESULT
        assert (job.state, job.num_bytes) == ("done", 1000)
        assert result_of(jobs.get(job.job_id)) is RESULT

    asyncio.run(go())


def test_a_forgotten_job_stops_where_it_is(info):
    async def go():
        jobs, work = Jobs(VolumeArgs()), Work()
        job = jobs.start(info, 0, work)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        jobs.forget(job.job_id)
        before = work.taken
        work.gate.set()
        await settle()
        assert (work.taken, work.is_closed) == (before, True)
        assert problem_of(jobs.get, job.job_id).status == 404

    asyncio.run(go())


def test_volumes_take_turns_and_one_that_is_forgotten_gives_its_turn_away(info):
    async def go():
        jobs = Jobs(VolumeArgs(at_once=1))
        works = [Work(), Work()]
        first, second = [jobs.start(info, 0, work) for work in works]
        await settle()
        assert (first.state, second.state, works[1].taken) == ("running", "queued", 0)
        jobs.forget(first.job_id)
        await settle()
        assert (second.state, works[1].taken) == ("running", 3)

    asyncio.run(go())


def test_a_full_queue_refuses_and_says_when_to_come_back(info):
    async def go():
        jobs = Jobs(VolumeArgs(max_waiting=2, retry_after_s=7))
        open_jobs = [jobs.start(info, 0, Work()) for _ in range(2)]
        problem = problem_of(jobs.start, info, 0, Work())
        assert (problem.status, problem.retry_after_s) == (503, 7)
        assert "2 volumes wait" in problem.detail
        jobs.forget(open_jobs[0].job_id)
        jobs.start(info, 0, Work())

    asyncio.run(go())


def test_what_waits_is_bounded_in_bytes_and_old_results_make_room(info):
    async def go():
        jobs = Jobs(VolumeArgs(max_kept_mb=0.01))
        work = Work()
        work.gate.set()
        kept = jobs.start(info, 0, work)
        await jobs.finished(kept)
        jobs.start(info, 9_000, Work())  # with the 1,000 of the result just what is allowed
        assert jobs.get(kept.job_id) is kept
        jobs.start(info, 500, Work())
        assert problem_of(jobs.get, kept.job_id).status == 404
        assert problem_of(jobs.start, info, 501, Work()).status == 503

    asyncio.run(go())


def test_a_job_is_its_senders_alone(info):
    async def go():
        jobs = Jobs(VolumeArgs())
        job = jobs.start(info, 0, Work(), owner="ward")
        assert jobs.get(job.job_id, "ward") is job
        for other in ("lab", None):
            assert problem_of(jobs.get, job.job_id, other).status == 404

    asyncio.run(go())


def test_no_more_results_are_kept_than_asked_for_the_oldest_goes_first(info):
    async def go():
        clock = Clock()
        jobs = Jobs(VolumeArgs(max_kept=2), clock)
        finished = []
        for _ in range(3):
            work = Work()
            work.gate.set()
            finished.append(jobs.start(info, 0, work))
            await jobs.finished(finished[-1])
            clock.now += 1
        assert problem_of(jobs.get, finished[0].job_id).status == 404
        assert [jobs.get(job.job_id) for job in finished[1:]] == finished[1:]

    asyncio.run(go())


def test_a_finished_job_ages_out_and_an_open_one_does_not(info):
    async def go():
        clock = Clock()
        jobs = Jobs(VolumeArgs(keep_s=60), clock)
        work, slow = Work(), Work()
        work.gate.set()
        job = jobs.start(info, 0, work)
        await jobs.finished(job)
        waiting = jobs.start(info, 0, slow)
        clock.now += 59
        assert jobs.get(job.job_id) is job
        clock.now += 2
        assert problem_of(jobs.get, job.job_id).status == 404
        assert jobs.get(waiting.job_id) is waiting

    asyncio.run(go())


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (Problem(422, "It does not fit", "why"), 422),
        (ProblemError(503, "The model is busy", "why", 3), 503),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_what_ends_a_job_is_a_problem_with_its_status(info, last, status):
    async def go():
        jobs, work = Jobs(VolumeArgs()), Work(last)
        work.gate.set()
        job = jobs.start(info, 0, work)
        with pytest.raises(ProblemError) as caught:
            await jobs.finished(job)
        assert caught.value.problem.status == status
        assert "secret" not in caught.value.problem.detail
        assert (job.state, job.num_bytes) == ("failed", 0)

    asyncio.run(go())


def test_a_job_that_takes_too_long_is_given_up_and_stops(info):
    async def go():
        jobs, work = Jobs(VolumeArgs(timeout_s=0.01)), Work()
        with pytest.raises(ProblemError) as caught:
            await jobs.finished(jobs.start(info, 0, work))
        assert caught.value.problem.status == 503
        assert work.is_closed

    asyncio.run(go())


def test_ids_cannot_be_guessed_from_each_other(info):
    async def go():
        jobs = Jobs(VolumeArgs())
        ids = [jobs.start(info, 0, Work()).job_id for _ in range(8)]
        assert len({job_id[:8] for job_id in ids}) == 8
        assert all(len(job_id) >= 32 for job_id in ids)

    asyncio.run(go())
