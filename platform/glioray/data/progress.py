"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

OnCount = Callable[[int, int], None]
"""called with (done, total)"""
OnProgress = Callable[[str, int, int], None]
"""called with (stage, done, total)"""


def silent(*_told: object) -> None:
    """Either of them, for a caller who does not watch."""
