"""Who serves what, and whose turn it is to change: replicas change one after the other. No Ray."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

FORGET_S = 30.0
TURN_S = 300.0
"""for loading; who takes longer has died, or others may change beside it"""


class ReplicaState(BaseModel):
    """What a replica said of itself the last time."""

    model_config = ConfigDict(frozen=True)

    models: tuple[str, ...] = Field(description="NAME@VERSION of what it answers with")
    trouble: str | None = Field(None, description="why it did not follow the last change")


class Turns:
    """Replicas check in; one of them at a time may change what it serves."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, ReplicaState]] = {}
        self._changing: tuple[str, float] | None = None

    def check_in(self, replica: str, state: ReplicaState, wants_turn: bool) -> bool:
        """Notes a replica; whether it may change now. Its next check-in ends its turn."""
        now = self._clock()
        self._seen[replica] = (now, state)
        if self._changing is not None and (self._changing[0] == replica or self._changing[1] < now):
            self._changing = None
        if not wants_turn or self._changing is not None:
            return False
        self._changing = (replica, now + TURN_S)
        return True

    def replicas(self) -> dict[str, ReplicaState]:
        """Those that were heard of lately; one that is loading stays."""
        now = self._clock()
        changing = self._changing[0] if self._changing else None
        self._seen = {
            name: (at, state) for name, (at, state) in self._seen.items() if now - at < FORGET_S or name == changing
        }
        return {name: state for name, (_, state) in self._seen.items()}
