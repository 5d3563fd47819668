"""How much of the cluster's object store a run takes, asked of Ray while it trains."""

from __future__ import annotations

import time
from typing import Any

import grpc
import ray
from ray._private.internal_api import get_memory_info_reply, get_state_from_address

from glioray.training.news import Metrics

ASK_EVERY_S, ANSWER_TIMEOUT_S = 2.0, 1.0


class StoreUse:
    """Of one worker, which asks for all nodes; an answer that does not come is left out."""

    def __init__(self) -> None:
        self._state: Any = None
        self._ask_at = 0.0
        self._peak_mb, self._spilled_mb = 0.0, 0.0
        self._spilled_before_mb: float | None = None

    def sample(self) -> None:
        """Asks, at most every two seconds."""
        if time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + ASK_EVERY_S
        try:
            self._state = self._state or get_state_from_address(ray.get_runtime_context().gcs_address)
            found = get_memory_info_reply(self._state, timeout_seconds=ANSWER_TIMEOUT_S).store_stats
        except (grpc.RpcError, OSError, RuntimeError):
            return
        self._peak_mb = max(self._peak_mb, found.object_store_bytes_used / 1e6)
        self._spilled_mb = found.spilled_bytes_total / 1e6
        if self._spilled_before_mb is None:
            self._spilled_before_mb = self._spilled_mb

    def of_epoch(self) -> Metrics:
        """The most that was in use at once, and what was spilled to disk, since the call before; in MB."""
        self._ask_at = 0.0
        self.sample()
        if self._spilled_before_mb is None:
            return {}
        found = {"store_peak_mb": self._peak_mb, "spilled_mb": self._spilled_mb - self._spilled_before_mb}
        self._peak_mb, self._spilled_before_mb = 0.0, self._spilled_mb
        return found
