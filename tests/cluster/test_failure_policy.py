"""What ends a run and what is tried again: Ray's own classes, but no Ray that runs."""

from __future__ import annotations

from typing import Any

import pytest

from glioray.errors import ClusterError, ModelError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


class Lines:
    """A board that is not an actor."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tell = self

    def remote(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def board() -> Lines:
    return Lines()


@pytest.fixture
def policy(board: Lines) -> Any:
    from glioray.training.recovery import FailurePolicy

    return FailurePolicy(board)


def lost() -> Exception:
    from ray.exceptions import ActorDiedError
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    return WorkerHealthCheckFailedError("A worker health check failed.", ActorDiedError())


def fail(policy: Any, errors: dict[int, Exception]) -> None:
    policy.after_exception(run_context=None, worker_exceptions=errors)


def test_what_a_person_must_mend_ends_the_run(policy: Any) -> None:
    with pytest.raises(ModelError, match="lower optimizer.learning_rate"):
        fail(policy, {0: RuntimeError("closed by peer"), 1: ModelError("lower optimizer.learning_rate")})


def test_a_lost_worker_is_named_and_replaced(policy: Any, board: Lines) -> None:
    fail(policy, {0: RuntimeError("Connection closed by peer"), 1: lost()})
    assert board.lines == ["worker 1 was lost; the workers begin again from the last checkpoint"]


def test_a_worker_that_is_seen_to_fail_before_the_lost_one_is_told_in_words(policy: Any, board: Lines) -> None:
    fail(policy, {0: RuntimeError("[/__w/third_party/gloo/pair.cc:537] Read error")})
    assert board.lines[0].startswith("worker 0 lost its connection to another; ")


def test_failures_without_an_epoch_in_between_end_the_run(policy: Any) -> None:
    for _ in range(3):
        fail(policy, {0: lost()})
    with pytest.raises(ClusterError, match="the 4th time without an epoch in between; run the same command again"):
        fail(policy, {0: lost()})


def test_failures_with_an_epoch_in_between_do_not(policy: Any, board: Lines) -> None:
    for _ in range(10):
        fail(policy, {0: lost()})
        policy.after_report(run_context=None, metrics=[], checkpoint=None)
    assert len(board.lines) == 10


def test_the_words_of_a_refusal_are_found_in_what_it_caused() -> None:
    from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

    from glioray.training.recovery import user_error

    for error in (ControllerError(ModelError("mend it")), WorkerGroupError("", {1: ModelError("mend it")})):
        found = user_error(error)
        assert (type(found), str(found)) == (ModelError, "mend it")


def test_another_failure_says_what_to_type() -> None:
    from ray.train.v2.api.exceptions import WorkerGroupError

    from glioray.training.recovery import user_error

    found = user_error(WorkerGroupError("", {1: KeyError("image")}))
    assert str(found).startswith("training failed: worker 1 failed ('image'); run the same command again")
