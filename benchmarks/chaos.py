"""Kills and full disks at random moments of every step, and what must hold after each.

    python benchmarks/chaos.py FOLDER [--rounds 100] [--steps prepare train tune publish serve] [--seed 0] [--json]

A round is one step and one harm: SIGKILL of the driver, of one of its workers, of Ray's raylet or head, or of all at
once, at a moment drawn evenly from when the step writes first to when it writes last; or a disk that is too small (a
tmpfs, for which the program must be allowed to mount). What is found then must hold: no shards without their
manifest, no half checkpoint or bundle, no version in the registry that is not as it was published. Then the same
command is given again, and must come to what it comes to undisturbed: the same bytes of the shards, the same losses
and weights to the last bit, each trial once. Rounds of `serve` are of one service under load, of which a replica, the
controller or the proxy is killed, or whose version is changed: no answer may be of another version than it names, and
it must be whole again.

The same seed gives the same harms; their moments are as even as the machine is. FOLDER keeps the undisturbed runs, and
the place of every round of which something did not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _chaos_service import Served, serving
from _chaos_steps import STEPS, Ground, Step, clear
from _family import Family

STEP_S = 600.0
SHORTEST_S = 0.05  # what writes for a moment only is killed about that moment
FULL_DISK = "full disk"
FULL_WORDS = ("no space left", "disk is full", "no room for")
SHARES = {"prepare": 5, "train": 4, "tune": 2, "publish": 5, "serve": 4}


@dataclass(frozen=True)
class Span:
    """When an undisturbed step writes first and when last, seconds from its start."""

    first_s: float
    last_s: float


@dataclass(frozen=True)
class Round:
    """What was done to a step, and what did not hold."""

    number: int
    step: str
    harm: str
    after_s: float
    seconds: float
    broken: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--steps", nargs="+", choices=list(SHARES), default=list(SHARES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    names = rng.choices(asked.steps, [SHARES[name] for name in asked.steps], k=asked.rounds)
    started_at = time.monotonic()
    rounds = list(play(asked.folder.resolve(), names, rng))
    if asked.json:
        print(json.dumps([asdict(one) for one in rounds], indent=1))
    else:
        print(table(rounds, time.monotonic() - started_at))
    if any(one.broken for one in rounds):
        sys.exit(1)


def play(folder: Path, names: Sequence[str], rng: random.Random) -> Iterator[Round]:
    """The rounds, each told on the error stream when it is over."""
    ground = Ground(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ground.lay()
    steps = {kind.name: kind(ground) for kind in STEPS}
    spans = {name: undisturbed(step) for name, step in steps.items()}
    with ExitStack() as stack:
        service: Served | None = None
        for number, name in enumerate(names, start=1):
            if name == "serve":
                service = service or stack.enter_context(serving(folder / "service"))
                began_at = time.monotonic()
                harm, after_s, broken = service.play(rng)
                one = Round(number, name, harm, after_s, time.monotonic() - began_at, broken)
            else:
                one = disturbed(number, steps[name], spans[name], rng)
            print(_line(one), file=sys.stderr, flush=True)
            yield one


def undisturbed(step: Step) -> Span:
    """Runs a step to its end, once; its span is kept beside it."""
    place = step.ground.calm(step)
    kept = place / "span.json"
    if kept.exists():
        return Span(**json.loads(kept.read_text()))
    clear(place)
    step.begin(place)
    started_at = time.monotonic()
    family = Family(step.command(place), place.with_suffix(".log"))
    try:
        first_s = written_s = last_s = next_write(family, place) - started_at
        while family.process.poll() is None:
            last_s, written_s = next_write(family, place) - started_at, last_s
    finally:
        family.end()
    if family.process.returncode:
        raise SystemExit(f"{step.name} fails undisturbed: {family.log.read_text()[-2000:]}")
    span = Span(first_s, written_s)  # what came last was the end
    kept.write_text(json.dumps(asdict(span)))
    return span


def next_write(family: Family, place: Path) -> float:
    """When something in the place becomes another than now, or the command ends."""
    before = _newest(place)
    while family.process.poll() is None and _newest(place) == before:
        time.sleep(0.005)
    return time.monotonic()


def _newest(place: Path) -> tuple[int, int]:
    """Number of files and folders, and the newest time of a change; the log is not the step's."""
    times = []
    for folder, _, files in os.walk(place):  # passes over what is removed meanwhile
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            with suppress(FileNotFoundError):
                times.append(0 if path == place / "log" else path.lstat().st_mtime_ns)
    return len(times), max(times, default=0)


def disturbed(number: int, step: Step, span: Span, rng: random.Random) -> Round:
    """One harm, and the same command again."""
    place = step.ground.folder / "rounds" / f"{number:03d}-{step.name}"
    clear(place)
    place.with_suffix(".log").unlink(missing_ok=True)  # of an earlier run
    began_at = time.monotonic()
    harms = [*step.victims, *([FULL_DISK] if step.small_mb and os.geteuid() == 0 else [])]
    harm = rng.choice(harms)
    after_s = rng.uniform(0, max(span.last_s - span.first_s, SHORTEST_S))
    if harm == FULL_DISK:
        broken = full_disk(step, place, rng.uniform(0.05, 1) * step.small_mb)
    else:
        harm, broken = killed(step, place, harm, after_s, rng)
    if not broken:
        clear(place)
    return Round(number, step.name, harm, after_s, time.monotonic() - began_at, tuple(broken))


def killed(step: Step, place: Path, victim: str, after_s: float, rng: random.Random) -> tuple[str, list[str]]:
    """Kills at a moment after the first write; what was killed, and what does not hold."""
    step.begin(place)
    log = place / "log"
    family = Family(step.command(place), log)
    try:
        next_write(family, place)
        time.sleep(after_s)
        victim = family.kill(victim, rng) or "nothing, it had ended"
        family.wait(STEP_S)
    finally:
        family.end()
    return victim, [*step.half(place), *_again(step, place, log)]


def full_disk(step: Step, place: Path, room_mb: float) -> list[str]:
    """Lets the step fill a disk, and gives it room."""
    place.mkdir(parents=True)
    log = place.with_suffix(".log")
    with _disk(place, room_mb):
        step.begin(place)
        family = Family(step.command(place), log)
        try:
            code = family.wait(STEP_S)
        finally:
            family.end()
        told = log.read_text()
        is_told = code == 0 or any(words in told.lower() for words in FULL_WORDS)
        broken = [] if is_told else [f"ended with {code} and no word of the disk: {told[-300:]}"]
        if "Traceback" in told:
            broken.append("a traceback")
        broken += step.half(place)
        subprocess.run(["mount", "-o", "remount,size=100m", str(place)], check=True)
        broken += _again(step, place, log)
    if not broken:
        log.unlink()
    return broken


@contextmanager
def _disk(place: Path, room_mb: float) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(room_mb * 1024)}k", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _again(step: Step, place: Path, log: Path) -> list[str]:
    """What does not hold when the same command was given once more."""
    family = Family(step.command(place), log)
    try:
        code = family.wait(STEP_S)
    finally:
        family.end()
    if code != 0:
        return [f"the same command again ended with {code}: {log.read_text()[-300:]}"]
    return list(step.whole(place))


def _line(one: Round) -> str:
    held = "; ".join(one.broken) or "held"
    return f"{one.number:4} {one.step:8} {one.harm:22} after {one.after_s:6.2f} s {one.seconds:7.1f} s  {held}"


def table(rounds: Sequence[Round], elapsed_s: float) -> str:
    """By step and harm: rounds, those in which something did not hold, seconds."""
    kinds = sorted({(one.step, one.harm) for one in rounds}, key=lambda kind: (list(SHARES).index(kind[0]), kind[1]))
    lines = [f"{'step':8} {'harm':24} {'rounds':>6} {'broken':>6} {'seconds':>8}"]
    for kind in kinds:
        of_kind = [one for one in rounds if (one.step, one.harm) == kind]
        broken = sum(bool(one.broken) for one in of_kind)
        lines.append(f"{kind[0]:8} {kind[1]:24} {len(of_kind):6} {broken:6} {sum(one.seconds for one in of_kind):8.0f}")
    harmed = sum("nothing" not in one.harm for one in rounds)
    broken = sum(bool(one.broken) for one in rounds)
    return "\n".join([*lines, f"{len(rounds)} rounds, {harmed} harms, {broken} broken, {elapsed_s:.0f} s"])


if __name__ == "__main__":
    main()
