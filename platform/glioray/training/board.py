"""Where the workers leave what the driver should know, and how it comes to the person meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glioray.training.capacity import shortage

if TYPE_CHECKING:  # the board's own process needs none of these, and what they import takes seconds
    from glioray.recipe import Scaling
    from glioray.training.checkpoints import Say
    from glioray.training.news import Progress

POLL_S, CAPACITY_POLL_S = 0.5, 5.0  # there is news no more often


class Board:
    """Keeps the newest step, all ends of epochs and all lines, until they are taken."""

    def __init__(self) -> None:
        self._ended: list[Progress] = []
        self._newest: Progress | None = None
        self._lines: list[str] = []

    def post(self, progress: Progress) -> None:
        """Where rank 0 is."""
        if progress.metrics is None:
            self._newest = progress
        else:
            self._ended.append(progress)
            self._newest = None

    def tell(self, line: str) -> None:
        """What a person should know."""
        self._lines.append(line)

    def take(self) -> tuple[list[str], list[Progress]]:
        """What came since the last call, oldest first."""
        lines, taken = self._lines, [*self._ended, *([self._newest] if self._newest else [])]
        self._lines, self._ended, self._newest = [], [], None
        return lines, taken


def open_board() -> Any:
    """An actor on the driver's own node, so that no other node's loss takes it away."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()


@contextlib.contextmanager
def followed(board: Any, scaling: Scaling, on_progress: Callable[[Progress], None], say: Say) -> Iterator[None]:
    """While the context lasts, hands on what is on the board, and says when the cluster has become too small."""
    done = threading.Event()

    def watch() -> None:
        lacked, look_at = None, time.monotonic() + CAPACITY_POLL_S
        while not done.wait(POLL_S):
            _hand_on(board, on_progress, say)
            if time.monotonic() > look_at:
                lacked, look_at = _say_shortage(scaling, lacked, say), time.monotonic() + CAPACITY_POLL_S

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        with contextlib.suppress(RayError):
            _hand_on(board, on_progress, say)


def _hand_on(board: Any, on_progress: Callable[[Progress], None], say: Say) -> None:
    lines, taken = ray.get(board.take.remote())
    for line in lines:
        say(line)
    for progress in taken:
        on_progress(progress)


def _say_shortage(scaling: Scaling, lacked: str | None, say: Say) -> str | None:
    """Says once what is lacking; gives it back."""
    lacking = shortage(scaling)
    if lacking and lacking != lacked:
        hint = "" if scaling.is_elastic else "; scaling.min_workers would go on with fewer workers"
        say(f"waits for machines: the run needs {lacking}{hint}")
    return lacking
