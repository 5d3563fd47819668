"""What this machine has, and what is wrong with it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

GIB = 2**30
LEAST_MEMORY_GIB, LEAST_DISK_GIB, SHARED_MEMORY_SHARE = 4, 5, 0.3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; where it is not fine, the text says what to do."""

    name: str
    is_fine: bool
    text: str


def examine() -> list[Finding]:
    """Every finding, in the order to read them; starts nothing."""
    return [
        _look(check) for check in (_python, _cores, _memory, _shared_memory, _disk, _torch, _torchvision, _ray, _gpu)
    ]


def _look(check: Callable[[], Finding]) -> Finding:
    """A check that breaks is a finding too."""
    try:
        return check()
    except Exception as error:
        return Finding(check.__name__.removeprefix("_"), False, f"{type(error).__name__}: {error}")


def _python() -> Finding:
    is_fine = sys.version_info >= (3, 11)
    return Finding(
        "python", is_fine, f"{platform.python_version()}" + ("" if is_fine else ": glioray needs 3.11 or newer")
    )


def _cores() -> Finding:
    usable, there = len(os.sched_getaffinity(0)), os.cpu_count() or 0
    return Finding("cores", True, f"{usable} of {there} for this process")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    is_fine = memory.available >= LEAST_MEMORY_GIB * GIB
    advice = "" if is_fine else f": a small run takes {LEAST_MEMORY_GIB} GiB, end something else first"
    return Finding("memory", is_fine, f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free{advice}")


def _shared_memory() -> Finding:
    place = Path("/dev/shm")  # noqa: S108  # looked at, not written to
    if not place.is_dir():
        return Finding("shared memory", True, "no /dev/shm: Ray keeps its objects in the temporary folder")
    size, wanted = shutil.disk_usage(place).free, SHARED_MEMORY_SHARE * psutil.virtual_memory().total
    is_fine = size >= min(wanted, 2 * GIB)
    advice = "" if is_fine else ": Ray's object store will be on disk and slow; docker run --shm-size=2g"
    return Finding("shared memory", is_fine, f"{size / GIB:.1f} GiB free in /dev/shm{advice}")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    is_fine = free >= LEAST_DISK_GIB * GIB
    advice = "" if is_fine else f": shards and checkpoints want {LEAST_DISK_GIB} GiB or more"
    return Finding("disk", is_fine, f"{free / GIB:.1f} GiB free here{advice}")


def _torch() -> Finding:
    import torch

    capabilities = torch.cpu.get_capabilities()
    fast = [name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name)]
    bf16 = f"bf16 by {', '.join(fast)}" if fast else "no bf16 on this CPU, fp32 is used"
    return Finding("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads, {bf16}")


def _torchvision() -> Finding:
    mended = importlib.import_module("glioray._torchvision").LIBRARY is not None
    importlib.import_module("torchvision.transforms.v2")
    note = ", its compiled operators replaced by their schemas" if mended else ""
    return Finding("torchvision", True, metadata.version("torchvision") + note)


def _ray() -> Finding:
    importlib.import_module("ray")
    return Finding("ray", True, metadata.version("ray"))


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", True, "none: everything runs on the CPU")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("gpu", True, ", ".join(names))
