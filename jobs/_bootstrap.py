"""Lets a bare `ray job submit --working-dir .` run a verb on a cluster where the package is not installed."""

import sys
from pathlib import Path


def run(verb: str) -> None:
    """Runs a verb of `glioray`, after `platform/` was put on the path; `glioray.cluster` puts it there for workers."""
    source = str(Path(__file__).resolve().parent.parent / "platform")
    if source not in sys.path:
        sys.path.insert(0, source)
    from glioray.cli import main

    sys.argv[1:1] = [verb]
    main()
