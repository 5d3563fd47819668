"""A replica follows the registry: what is rolled out, and where aliases point, without a restart. No Ray."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from glioray.errors import GliorayError
from glioray.registry.rollout import Serving
from glioray.serving.shelf import Shelf
from glioray.serving.turns import ReplicaState

logger = logging.getLogger(__name__)
CheckIn = Callable[[ReplicaState, bool], Awaitable[bool]]


class Follower:
    """Looks again and again what is to be served; changes the shelf when it is this replica's turn."""

    def __init__(self, shelf: Shelf, wanted: Callable[[], Sequence[Serving]], check_in: CheckIn) -> None:
        self._shelf = shelf
        self._wanted = wanted
        self._check_in = check_in
        self._trouble: str | None = None
        self._refused: tuple[Serving, ...] | None = None

    async def run(self, every_s: float) -> None:
        """Until it is cancelled; what goes wrong is told and tried again."""
        while True:
            try:
                await self.step()
            except Exception:
                logger.exception("this replica could not ask for its turn; it goes on with %s", self._shelf.references)
            await asyncio.sleep(every_s)

    async def step(self) -> None:
        """One look, and the change if there is one to make."""
        wanted = await asyncio.to_thread(self._look)
        is_new = wanted not in (None, self._shelf.serving, self._refused)
        may_change = await self._check_in(ReplicaState(models=self._shelf.references, trouble=self._trouble), is_new)
        if may_change and wanted is not None:
            await asyncio.to_thread(self._change, wanted)
            await self._check_in(ReplicaState(models=self._shelf.references, trouble=self._trouble), False)

    def _look(self) -> tuple[Serving, ...] | None:
        try:
            wanted = tuple(self._wanted())
        except (GliorayError, OSError) as error:  # of a registry elsewhere: it may be back the next time
            self._trouble = str(error)
            return None
        if wanted == self._shelf.serving:
            self._trouble, self._refused = None, None
        return wanted

    def _change(self, wanted: tuple[Serving, ...]) -> None:
        try:
            self._shelf.replace(wanted)
        except Exception as error:
            logger.exception("this replica goes on with %s", self._shelf.references)
            self._trouble = f"{type(error).__name__}: {error}"
            if isinstance(error, GliorayError):  # else it may pass, as a line that is down
                self._refused = wanted
