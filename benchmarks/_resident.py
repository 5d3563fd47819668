"""Resident memory of a service's processes, and its exact peak since a moment, as Linux counts them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from _memory import processes

FORGET_PEAK = "5"  # for /proc/PID/clear_refs


@dataclass(frozen=True)
class Resident:
    """MB of each process, by its id; `names` say what it is."""

    names: Mapping[int, str]
    now_mb: Mapping[int, float]
    peak_mb: Mapping[int, float]

    def started_since(self, before: Resident) -> list[str]:
        """Replicas and proxies that were not there before: others of their name have died."""
        new = [name for pid, name in self.names.items() if pid not in before.names]
        return [name for name in new if name.startswith(("replica", "HTTP proxy"))]

    def risen_mb(self, before: Resident) -> float:
        """How much more than before all processes took at their most; one that is new counts whole."""
        return sum(max(peak - before.now_mb.get(pid, 0.0), 0.0) for pid, peak in self.peak_mb.items())

    def grown_mb(self, before: Resident) -> dict[str, float]:
        """How much more each process holds than before; by its name, and its id where it is another process."""
        return {
            name if pid in before.now_mb else f"{name} (new, {pid})": self.now_mb[pid] - before.now_mb.get(pid, 0.0)
            for pid, name in self.names.items()
        }


def resident(pid: int) -> Resident:
    """Of a process and all below it."""
    names: dict[int, str] = {}
    now_mb: dict[int, float] = {}
    peak_mb: dict[int, float] = {}
    for process in processes(pid):
        with contextlib.suppress(OSError, psutil.Error, KeyError):  # one that has ended meanwhile
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            kilobytes = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
            now_mb[process.pid] = int(kilobytes["VmRSS"][0]) * 1024 / 1e6
            peak_mb[process.pid] = int(kilobytes["VmHWM"][0]) * 1024 / 1e6
            names[process.pid] = name_of(process.cmdline() or [process.name()])
    return Resident(names, now_mb, peak_mb)


def forget_peaks(pid: int) -> None:
    """From here on the peak is that of what comes."""
    for process in processes(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text(FORGET_PEAK)


def name_of(command: list[str]) -> str:
    """What a process of the service is: `replica kinds-v1`, `HTTP proxy`, `raylet`."""
    first = command[0].split(" ")[0]
    if first.startswith("ray::ServeReplica:"):
        return f"replica {first.rsplit(':', 1)[-1]}"
    known = {"ray::ProxyActor": "HTTP proxy", "ray::ServeController": "controller", "ray::IDLE": "idle worker"}
    if first.startswith("ray::"):
        actor = first.split(".")[0]  # the method that it runs stands behind
        return known.get(actor, actor.removeprefix("ray::"))
    return next((Path(word).name for word in command if not Path(word).name.startswith(("python", "-"))), first)
