"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

OnCount = Callable[[int, int], None]
"""called with (done, total)"""
OnProgress = Callable[[str, int, int], None]
"""called with (stage, done, total)"""


def silent(_stage: str, _done: int, _total: int) -> None:
    """For a caller who does not watch."""
