"""A run's folder: on storage that all nodes share, or at an address, with a copy on every machine that works on it.

In a copy rank 0 owns the checkpoints and `metrics.csv`, the driver everything else; each sends what it owns.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from glioray.plain_values import from_json
from glioray.registry.bundle import CONFIG
from glioray.remote import RemoteFolder, is_remote

HASHES, BUNDLE = "hashes.json", "bundle"
_CHECKPOINT, _ASIDE = "checkpoint_", "damaged_checkpoint_"


class RunFolder:
    """Where a run lies; with a path for its place it is that folder, and fetching and sending do nothing.

    Args:
        place: path or address of the run's folder.
    """

    def __init__(self, place: str) -> None:
        self._remote = RemoteFolder(place) if is_remote(place) else None
        self.place = place if self._remote else str(Path(place).absolute())
        self._sent: dict[str, tuple[int, int]] = {}

    @property
    def path(self) -> Path:
        """The folder on this machine."""
        return self._remote.copy if self._remote else Path(self.place)

    def fetch(self) -> None:
        """Makes the copy what lies at the address, but for checkpoints; a bundle that was sent in part is none."""
        if self._remote is None:
            return
        names = [name for name in self._remote.names() if not _is_checkpoint(name)]
        if f"{BUNDLE}/{CONFIG}" not in names:
            names = [name for name in names if not name.startswith(f"{BUNDLE}/")]
        self._keep_only(name for name in self._copied() if name in names or _is_checkpoint(name))
        self._remote.fetch(names)
        self._sent = {name: _stamp(self.path / name) for name in names}

    def send(self) -> None:
        """Takes to the address what is new in the copy, but for checkpoints; what completes a bundle last."""
        if self._remote is None:
            return
        found = {name: _stamp(self.path / name) for name in self._copied() if not _is_checkpoint(name)}
        new = [name for name, stamp in found.items() if self._sent.get(name) != stamp]
        self._remote.send(sorted(new, key=lambda name: (name.startswith(f"{BUNDLE}/"), name == f"{BUNDLE}/{CONFIG}")))
        self._remote.remove(self._sent.keys() - found.keys())
        self._sent = found

    def fetch_checkpoints(self, only: str | None = None) -> None:
        """Makes the copy's checkpoints those of the address; what it holds already, by its hash, does not come again.

        Args:
            only: of one name.
        """
        if self._remote is None:
            return
        by_folder = _by_checkpoint(self._remote.names())
        there = {name: files for name, files in by_folder.items() if f"{name}/{HASHES}" in files}
        self._keep_only(name for name in self._copied() if name.partition("/")[0] in there or not _is_checkpoint(name))
        for name, files in there.items():
            if only in (None, name):
                hashes = _hashes(self._remote.read(f"{name}/{HASHES}"))
                known = {f"{name}/{file}": sha256 for file, sha256 in hashes.items()}
                self._remote.fetch(_hashes_last(files), known)

    def send_checkpoints(self) -> None:
        """Makes the checkpoints at the address those of the copy; the one that is new is there before an old one goes.

        Raises:
            ClusterError: the storage refuses; what it holds is sound.
        """
        if self._remote is None:
            return
        there, here = _by_checkpoint(self._remote.names()), _by_checkpoint(self._copied())
        for name, files in here.items():
            if f"{name}/{HASHES}" not in there.get(name, ()):
                self._remote.send(_hashes_last(files))
        for name, files in there.items():
            if name not in here:
                self._remote.remove(reversed(_hashes_last(files)))

    def send_file(self, name: str) -> None:
        """Takes one file to the address."""
        if self._remote is not None:
            self._remote.send([name])

    def _copied(self) -> list[str]:
        """Files of the copy, without those that are being written."""
        found = (file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file())
        return sorted(file.as_posix() for file in found if not any(part.startswith(".") for part in file.parts))

    def _keep_only(self, names: Iterable[str]) -> None:
        kept = set(names)
        for name in self._copied():
            if name not in kept:
                (self.path / name).unlink(missing_ok=True)
        for folder in sorted(self.path.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)


def _is_checkpoint(name: str) -> bool:
    return name.startswith((_CHECKPOINT, _ASIDE))


def _by_checkpoint(names: Iterable[str]) -> dict[str, list[str]]:
    """Files of each checkpoint's folder."""
    found: dict[str, list[str]] = {}
    for name in names:
        if _is_checkpoint(name) and "/" in name:
            found.setdefault(name.partition("/")[0], []).append(name)
    return found


def _hashes_last(files: Iterable[str]) -> list[str]:
    """Those of a checkpoint in the order to send them: where its hashes are, all of it is."""
    return sorted(files, key=lambda file: file.endswith(HASHES))


def _hashes(content: bytes | None) -> dict[str, str]:
    """None where they cannot be read: the checkpoint then comes whole, and is found to be damaged."""
    try:
        return dict(from_json(content or b"{}"))
    except ValueError:
        return {}


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size
