"""What becomes of a failure: what a person must mend ends the run at once, a lost worker is replaced.

Ray Train counts all failures of a run alike, and begins again after each until the count is reached. So it is told to
begin again always, and asks here first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import ray.train
from ray.exceptions import RayActorError
from ray.train.v2.api.exceptions import TrainingFailedError

from glioray.errors import ClusterError, GliorayError
from glioray.training.news import AGAIN

MOST_FAILURES_IN_A_ROW = 3
_BROKEN_OFF = ("gloo", "NCCL", "Connection reset by peer", "Connection closed by peer")


class FailurePolicy(ray.train.UserCallback):  # type: ignore[misc]
    """Lives in Ray Train's controller; whatever it raises ends the run.

    Args:
        board: told which workers were lost; see `board.Board`.
    """

    def __init__(self, board: Any) -> None:
        self._board, self._in_a_row = board, 0

    def after_report(self, **_: Any) -> None:
        """An epoch was finished: what failed before it counts no more."""
        self._in_a_row = 0

    def after_exception(self, worker_exceptions: Mapping[int, BaseException], **_: Any) -> None:
        """Returns where the workers are worth another try.

        Raises:
            GliorayError: a person must mend it, or it failed too often without an epoch in between.
        """
        refusal = refusal_among(worker_exceptions.values())
        if refusal is not None:
            raise refusal
        lost = [actor for error in worker_exceptions.values() if (actor := _lost_actor(error))]
        if any(actor.preempted for actor in lost):
            return  # Ray waits for the machine to go, counts these by itself, and asks many times meanwhile
        self._in_a_row += 1
        happened = _happened(worker_exceptions)
        if self._in_a_row > MOST_FAILURES_IN_A_ROW:
            raise ClusterError(f"{happened}, the {self._in_a_row}th time without an epoch in between; {AGAIN}")
        self._board.tell.remote(f"{happened}; the workers begin again from the last checkpoint")


def user_error(error: TrainingFailedError) -> GliorayError:
    """The workers' own words, where what failed is something that a person can mend."""
    failures = getattr(error, "worker_failures", None) or {0: getattr(error, "controller_failure", error)}
    return refusal_among(failures.values()) or ClusterError(f"training failed: {_happened(failures)}; {AGAIN}")


def refusal_among(errors: Iterable[BaseException]) -> GliorayError | None:
    """The first that a person can mend, looked for in all that an error was caused by."""
    for error in errors:
        found: BaseException | None = error
        while found is not None:
            if isinstance(found, GliorayError):
                return type(found)(str(found))
            found = getattr(found, "_base_exc", None) or getattr(found, "cause", None) or found.__cause__
    return None


def _happened(errors: Mapping[int, BaseException]) -> str:
    """A lost worker if there is one: the others then fail for want of it, and may be seen to before it is."""
    lost = [str(rank) for rank, error in errors.items() if _lost_actor(error)]
    if lost:
        return f"worker {' and '.join(lost)} was lost"
    rank, error = next(iter(errors.items()))
    if any(word in str(error) for word in _BROKEN_OFF):
        return f"worker {rank} lost its connection to another"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"worker {rank} failed ({lines[-1]})"


def _lost_actor(error: BaseException) -> RayActorError | None:
    error = getattr(error, "health_check_failure", error)
    return error if isinstance(error, RayActorError) else None
