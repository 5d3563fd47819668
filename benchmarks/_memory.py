"""The memory of a process and all that it starts."""

from __future__ import annotations

import threading

import psutil


class PeakMemory:
    """The most that a process and all its children took together, shared pages counted once."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most, self._done = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            self.most = max(self.most, sum(map(proportional_bytes, processes(self.pid))))


def processes(pid: int) -> list[psutil.Process]:
    """A process and all below it; none where it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
