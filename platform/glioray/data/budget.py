"""How many may read at once in the memory that a preparation is given, and whether Ray is worth its start."""

from __future__ import annotations

from pathlib import Path

from glioray.data.prepare_options import PrepareOptions
from glioray.data.records import TaskName

MUCH_BYTES = 500_000_000  # less is read by threads here before Ray has started
HERE_GB = 2.0  # this process and those of Ray
WORKER_GB = 1.5  # an actor with a BraTS case of four sequences in it


def is_much(raw: Path, options: PrepareOptions) -> bool:
    """Whether there is so much to read that a few seconds for Ray do not matter."""
    if options.workers == 1:
        return False
    total = 0
    for path in [raw] if raw.is_file() else raw.rglob("*"):
        total += path.stat().st_size if path.is_file() else 0
        if total >= MUCH_BYTES:
            return True
    return False


def threads_within(options: PrepareOptions, task: TaskName) -> int:
    """Threads of this process; a volume takes much memory, a single picture hardly any."""
    return workers_within(options, options.num_threads) if task == "segmentation" else options.num_threads


def workers_within(options: PrepareOptions, cores: int) -> int:
    """As many as asked for, or one a core; no more than the memory holds."""
    fitting = int((options.memory_gb - HERE_GB) / WORKER_GB)
    return max(1, min(options.workers or cores, fitting))
