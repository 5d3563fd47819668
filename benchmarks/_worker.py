"""A process that reads spoiled files, bounded in time and memory, and what it says of each.

A reader that hangs or takes the machine's memory is ended by the kernel, so that a finding costs the process and not
the fuzzer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import multiprocessing
import os
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from _reader import Reader
from _resident import FORGET_PEAK

ROOM_BYTES = 4 * 2**30  # of addresses beyond what the process has: more than any limit on what is resident
PATIENCE_S = 60.0  # of the clock: for what waits and takes no time of the CPU, on a machine that does other things too
FORGET_EVERY = 100
FATE = {-signal.SIGPROF: "slow", -signal.SIGKILL: "killed"}


@dataclass(frozen=True)
class Limits:
    """Of one file: seconds of the CPU, and memory beyond what the process has."""

    seconds: float = 5.0
    mb: float = 512.0


@dataclass(frozen=True)
class Outcome:
    """`kind` is read, refused, or what makes it a finding: raised, large, slow, crashed. `where` tells two apart."""

    kind: str
    where: str = ""
    told: str = ""
    cpu_s: float = 0.0

    @property
    def is_finding(self) -> bool:
        """Whether it is anything but a file read or refused as the reader promises."""
        return self.kind not in ("read", "refused")


class Worker:
    """Runs in the background once it is asked; a new process takes the place of one that died."""

    def __init__(self, readers: Sequence[Reader], limits: Limits, folder: Path) -> None:
        self._readers = {reader.name: reader for reader in readers}
        self._limits = limits
        self._log = folder / "worker.log"
        self._process: Any = None
        self._pipe: Any = None

    def read(self, reader: str, contents: Sequence[bytes]) -> Iterator[Outcome]:
        """How each file is read. They are passed on together, for on a busy machine each passing waits its turn."""
        done = 0
        while done < len(contents):
            if self._process is None:
                self._start()
            self._pipe.send((reader, contents[done:]))
            while self._process is not None and done < len(contents):
                done += 1
                yield self._outcome()

    def _outcome(self) -> Outcome:
        try:
            outcome = self._pipe.recv() if self._pipe.poll(2 * PATIENCE_S) else None
        except EOFError:
            outcome = None
        return outcome or self._died()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None

    def _start(self) -> None:
        fork = multiprocessing.get_context("fork")  # all that is imported already need not be again
        self._pipe, theirs = fork.Pipe()
        arguments = (self._pipe, theirs, self._readers, self._limits, self._log)
        self._process = fork.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def _died(self) -> Outcome:
        self._process.join(1.0)
        code = self._process.exitcode
        self.close()
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip().startswith("File ")]
        kind = "slow" if code is None else FATE.get(code, "crashed")
        return Outcome(kind, f"exit code {code} at {lines[0] if lines else 'an unknown place'}", text[-4000:])


def _serve(asking: Any, pipe: Any, readers: dict[str, Reader], limits: Limits, log: Path) -> None:
    """Answers until it is killed, or nobody asks any more."""
    asking.close()  # a copy of it here would keep this process waiting after the other has ended
    _bound(log)
    watch = _Watch(limits)
    for reader in readers.values():
        _warm(reader)
    while True:
        try:
            name, contents = pipe.recv()
        except EOFError:
            return
        for content in contents:
            pipe.send(watch.outcome(readers[name], content))


def _warm(reader: Reader) -> None:
    """Reads its good files once, so that what is imported meanwhile counts for no spoiled one."""
    for content in reader.good.values():
        with contextlib.suppress(Exception):
            reader.read(content)


class _Watch:
    """Holds each file to its limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0
        self._rss_mb = self._peak_mb = 0.0

    def outcome(self, reader: Reader, content: bytes) -> Outcome:
        if self._count % FORGET_EVERY == 0:
            Path("/proc/self/clear_refs").write_text(FORGET_PEAK)
            self._rss_mb, self._peak_mb = _memory_mb()
        self._count += 1
        signal.setitimer(signal.ITIMER_PROF, self._limits.seconds)
        faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
        started_at = time.thread_time()  # that of the process moves at ticks only, where a timer of it runs
        outcome = _outcome(reader, content)
        elapsed_s = time.thread_time() - started_at
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        before_mb, earlier_mb = self._rss_mb, self._peak_mb
        self._rss_mb, self._peak_mb = _memory_mb()
        if self._peak_mb > earlier_mb and self._peak_mb - before_mb > self._limits.mb:
            told = f"{self._peak_mb - before_mb:.0f} MB for {len(content):,} bytes"
            self._count = 0  # or this peak would hide the next
            return Outcome("large", outcome.where, told, elapsed_s)
        return replace(outcome, cpu_s=elapsed_s)


def _bound(log: Path) -> None:
    """Limits and silence: what a library writes to the screen is not what is looked for."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable(file=2, all_threads=False)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, file=2, all_threads=False, chain=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes + ROOM_BYTES,) * 2)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def _outcome(reader: Reader, content: bytes) -> Outcome:
    try:
        reader.read(content)
    except reader.may_raise as error:
        return Outcome("refused", _place(error), str(error))
    except BaseException as error:
        with contextlib.suppress(Exception):
            return Outcome("raised", _place(error), "".join(traceback.format_exception(error))[-4000:])
        return Outcome("raised", type(error).__name__)
    return Outcome("read")


def _place(error: BaseException) -> str:
    """The error, and the innermost line of the first one: `UnreadableError of zlib.error at nifti_file.py:120`."""
    root = error
    for _ in range(10):
        root = root.__cause__ or root.__context__ or root
    frames = traceback.extract_tb(root.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    of = "" if root is error else f" of {type(root).__name__}"
    return f"{type(error).__name__}{of} at {at}"


def _memory_mb() -> tuple[float, float]:
    """Resident now, and at most since the last time that the peak was forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    values = {
        key: value.split()[0] for key, _, value in (line.partition(":") for line in lines) if key.startswith("Vm")
    }
    return int(values["VmRSS"]) / 1000, int(values["VmHWM"]) / 1000
