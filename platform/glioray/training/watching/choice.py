"""Which listeners a run has, all of them free of Ray."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glioray.remote import is_remote
from glioray.training.plan import Plan
from glioray.training.watching import tracking
from glioray.training.watching.listener import Listener
from glioray.training.watching.page import Invocation, RunPage
from glioray.training.watching.sending import Sending
from glioray.training.watching.tensorboard import TensorBoard
from glioray.training.watching.waiting import Waiting


def chosen_listeners(
    plan: Plan, invocation: Invocation, environment: Mapping[str, str], say: Callable[[str], None]
) -> tuple[Listener, ...]:
    """The run's page, TensorBoard and a word on slow data always; MLflow and object storage where they are asked for.

    Args:
        plan: what is trained.
        invocation: how a person started it.
        environment: may name MLflow's server.
        say: for one line to the person.

    Raises:
        ClusterError: MLflow was asked for and cannot be had; nothing was trained yet.
    """
    listeners: tuple[Listener, ...] = (Waiting(plan, say), RunPage(plan, invocation), TensorBoard(plan))
    server = tracking.asked_for(environment)
    # Last come those that keep the others' files as they are at the end.
    listeners = (*listeners, tracking.MlflowRun(plan, server)) if server else listeners
    return (*listeners, Sending(plan)) if is_remote(plan.place.place) else listeners
