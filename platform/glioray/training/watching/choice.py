"""Which listeners a run has, all of them free of Ray."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glioray.training.plan import Plan
from glioray.training.watching import tracking
from glioray.training.watching.listener import Listener
from glioray.training.watching.page import Invocation, RunPage
from glioray.training.watching.tensorboard import TensorBoard
from glioray.training.watching.waiting import Waiting


def chosen_listeners(
    plan: Plan, invocation: Invocation, environment: Mapping[str, str], say: Callable[[str], None]
) -> tuple[Listener, ...]:
    """The run's page, TensorBoard and a word on slow data always; MLflow where the environment names a server.

    Raises:
        ClusterError: MLflow was asked for and cannot be had; nothing was trained yet.
    """
    listeners: tuple[Listener, ...] = (Waiting(plan, say), RunPage(plan, invocation), TensorBoard(plan))
    server = tracking.asked_for(environment)
    # Last: it keeps the others' files as they are at the end.
    return (*listeners, tracking.MlflowRun(plan, server)) if server else listeners
