"""Memory of a worker: kept between the steps, and an error that names the setting to change where it is full."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import torch

from glioray.errors import ModelError

# glibc gives large tensors back to the system after every step and fetches them page by page in the next: measured, a
# step of a U-Net on a CPU takes 10 to 35 % longer so. Only one arena can keep them, and Ray trains in a second thread.
KEEP_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


@contextlib.contextmanager
def memory_told() -> Iterator[None]:
    """Turns torch's words for a full GPU into ours.

    Raises:
        ModelError: the GPU's memory is full.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"the GPU's memory is full ({str(error).splitlines()[0]}): raise budget.accumulate, or lower "
            "budget.batch_size"
        ) from error


@contextlib.contextmanager
def memory_limited(most_gb: float | None) -> Iterator[None]:
    """While the context lasts, this process may take so much more than it had; none: as much as there is.

    Raises:
        ModelError: it would have taken more.
    """
    if most_gb is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + int(most_gb * 1e9), before[1]))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
            raise
        raise ModelError(
            f"takes more memory than {most_gb:g} GB: raise budget.accumulate, or lower budget.batch_size"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    """What counts against the limit already."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
