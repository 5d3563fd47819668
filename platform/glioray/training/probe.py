"""Whether a folder is shared, tried from one machine: this part of the preflight runs on every node, without Ray."""

from __future__ import annotations

import time
from pathlib import Path

from glioray.errors import ClusterError
from glioray.remote import RemoteFolder, is_remote

SEEN_WITHIN_S = 5  # a share may show a new file late (NFS: attributes are cached)


def try_folder(place: str, mine: str, others: str) -> str | None:
    """Reads the file of another, then writes one; gives what went wrong.

    Args:
        place: path or address of the folder.
        mine: name of the file to write.
        others: name of the file that another machine wrote.
    """
    try:
        if not appears(place, others):
            return "it does not see what another machine writes there"
        write(place, mine)
    except OSError as error:
        return f"it cannot write there ({error.strerror})"
    except ClusterError as error:
        return str(error)
    return None


def write(place: str, name: str) -> None:
    """A file that holds its own name."""
    if is_remote(place):
        RemoteFolder(place).write(name, name.encode())
    else:
        (Path(place) / name).write_text(name)


def appears(place: str, name: str) -> bool:
    """Whether a file that another machine wrote is there, or soon will be."""
    until = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < until:
        if _content(place, name) == name.encode():
            return True
        time.sleep(0.1)
    return False


def _content(place: str, name: str) -> bytes | None:
    if is_remote(place):
        return RemoteFolder(place).read(name)
    try:
        return (Path(place) / name).read_bytes()
    except OSError:
        return None
