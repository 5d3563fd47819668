"""A command and everything that it starts, known by a word in their environment: nobody else's are ever harmed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil

MARK = "GLIORAY_CHAOS"
ALL, DRIVER = "everything", "driver"
TITLES = {
    "worker": ("ray::",),
    "raylet": ("raylet",),
    "head": ("gcs_server",),
    "replica": ("ray::ServeReplica:glioray:models",),
    "controller": ("ray::ServeController",),
    "proxy": ("ray::ProxyActor",),
}
GONE_S = 30.0


class Family:
    """One command that runs."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.word, self.log = uuid.uuid4().hex, log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1", MARK: self.word}
            )

    def members(self) -> list[psutil.Process]:
        """All that live, whoever their parent is by now."""
        return [process for process in psutil.process_iter() if _word_of(process) == self.word]

    def has(self, victim: str) -> bool:
        """Whether one of a kind lives."""
        return bool(_of_kind(self.members(), victim))

    def kill(self, victim: str, rng: random.Random) -> str:
        """SIGKILL for one process of a kind, or for all; the driver where there is none of the kind.

        Returns:
            What was killed; nothing where the command had ended.
        """
        if self.process.poll() is not None:
            return ""
        members = self.members()
        if victim == ALL:
            _kill(*members)
            return ALL
        if of_kind := _of_kind(members, victim):
            _kill(rng.choice(of_kind))
            return victim
        self.process.send_signal(signal.SIGKILL)
        return DRIVER

    def wait(self, seconds: float) -> int | None:
        """How the command ended; nothing where it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> int:
        """Ends what is left of it, and says how many processes that were."""
        left = self.members()
        _kill(*left)
        self.process.wait()
        give_up_at = time.monotonic() + GONE_S
        while self.members() and time.monotonic() < give_up_at:
            time.sleep(0.1)
        return len(left)


def _of_kind(members: Sequence[psutil.Process], kind: str) -> list[psutil.Process]:
    return [one for one in members if kind in TITLES and _title(one).startswith(TITLES[kind])]


def _kill(*processes: psutil.Process) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:  # it has ended by itself
            continue


def _word_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _title(process: psutil.Process) -> str:
    try:
        command = process.cmdline()
    except psutil.Error:
        return ""
    return Path(command[0]).name if command and command[0].startswith("/") else " ".join(command)
