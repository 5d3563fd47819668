"""Lets a bare `ray job submit --working-dir .` find the package on a cluster where it is not installed."""

import sys
from pathlib import Path


def find_package() -> None:
    """Puts `platform/` on the path of this process; `glioray.cluster` does so for the workers."""
    source = str(Path(__file__).resolve().parent.parent / "platform")
    if source not in sys.path:
        sys.path.insert(0, source)
