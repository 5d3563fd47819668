"""Whether a folder is shared, tried from one machine: this part of the preflight runs on every node, without Ray."""

from __future__ import annotations

import time
from pathlib import Path

SEEN_WITHIN_S = 5  # a share may show a new file late (NFS: attributes are cached)


def try_folder(place: str, mine: str, others: str) -> str | None:
    """Reads the file of another, then writes one; gives what went wrong."""
    folder = Path(place)
    if not appears(folder / others):
        return "it does not see what another machine writes there"
    try:
        (folder / mine).write_text(mine)
    except OSError as error:
        return f"it cannot write there ({error.strerror})"
    return None


def appears(file: Path) -> bool:
    """Whether a file that another machine wrote is there, or soon will be."""
    until = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < until:
        try:
            if file.read_text() == file.name:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False
