"""Breaks every guard of docs/security.md on purpose, one after the other, and sees whether a test notices.

    python benchmarks/guards.py
    python benchmarks/guards.py --only key,archive --json guards.json

Each is broken in a copy of this tree, by other words in the place of its own, and its tests run there: they must fail.
Before that they all run unbroken, and must pass. A guard whose words are not in its file exactly once is an error of
the table, `guards.yaml`; one whose loss no test notices is a finding.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_suffix(".yaml")
NOT_OF_THE_SOURCE = ("data", "demo", "runs", "registry", "evaluations", "build", "dist")
NOTICED, PASSED = "failed as it must", "NOT NOTICED"
TIMEOUT_S = 600


@dataclass(frozen=True)
class Guard:
    """A few words of a file that keep somebody out; with others in their place the tests must fail."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What the tests said of a broken guard."""

    guard: str
    file: str
    tests: tuple[str, ...]
    said: str
    seconds: float


def table() -> tuple[Guard, ...]:
    """All guards."""
    rows = yaml.safe_load(TABLE.read_text())
    return tuple(Guard(**{**row, "tests": tuple(row["tests"])}) for row in rows)


def broken(guard: Guard, root: Path) -> str:
    """The text of the guard's file without the guard.

    Raises:
        SystemExit: its words are not there exactly once.
    """
    text = (root / guard.file).read_text()
    if (count := text.count(guard.text)) != 1:
        raise SystemExit(f"{guard.name!r}: {guard.text!r} stands {count} times in {guard.file}, wanted once")
    return text.replace(guard.text, guard.instead)


def run_tests(root: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Exit code and last line of pytest in a tree, whose package is the one that is tested."""
    environment = {**os.environ, "PYTHONPATH": str(root / "platform"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"1 failed: took more than {TIMEOUT_S} s"
    return done.returncode, (done.stdout.strip().splitlines() or ["nothing"])[-1]


def judge(code: int, summary: str) -> str:
    """Tests must have run and failed: a tree that cannot even be imported proves nothing."""
    if code == 0:
        return PASSED
    is_failure = code == 1 and re.search(r"\b\d+ failed", summary) and not re.search(r"\b\d+ errors?", summary)
    return NOTICED if is_failure else f"NOT NOTICED, pytest ended with {code}: {summary}"


def try_guard(guard: Guard, root: Path) -> Outcome:
    """Breaks a guard in a tree, runs its tests and mends it again."""
    file = root / guard.file
    whole, without = file.read_text(), broken(guard, root)
    started_at = time.perf_counter()
    try:
        file.write_text(without)
        said = judge(*run_tests(root, guard.tests))
    finally:
        file.write_text(whole)
    return Outcome(guard.name, guard.file, guard.tests, said, round(time.perf_counter() - started_at, 1))


def copy_of(root: Path, place: Path) -> Path:
    """The sources, without what was made with them."""

    def left_out(folder: str, names: list[str]) -> list[str]:
        own = NOT_OF_THE_SOURCE if Path(folder) == root else ()
        return [name for name in names if name == "__pycache__" or name in own or name.startswith(".")]

    return Path(shutil.copytree(root, place / "tree", ignore=left_out))


def require_sound(guards: Iterable[Guard], root: Path) -> None:
    """Raises SystemExit where a guard's words are gone, or its tests fail before anything is broken."""
    for guard in guards:
        broken(guard, root)
    code, summary = run_tests(root, sorted({test for guard in guards for test in guard.tests}))
    if code != 0:
        raise SystemExit(f"unbroken, the tests end with {code}: {summary}")
    print(f"Unbroken: {summary.strip('= ')}")


def show(outcome: Outcome) -> None:
    first = outcome.tests[0].removeprefix("tests/") + (f" +{len(outcome.tests) - 1}" if outcome.tests[1:] else "")
    print(f"{outcome.guard:<54}{outcome.said:<20}{outcome.seconds:>6.1f} s  {first}", flush=True)


def main() -> None:
    """Prints a line for each guard; ends with 1 where one is not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="words of names or files, with commas; default: all guards")
    parser.add_argument("--json", type=Path, help="file for the outcomes")
    options = parser.parse_args()
    words = options.only.split(",")
    chosen = [guard for guard in table() if any(word in f"{guard.name} {guard.file}" for word in words)]
    with tempfile.TemporaryDirectory() as place:
        tree = copy_of(ROOT, Path(place))
        require_sound(chosen, tree)
        outcomes = []
        for guard in chosen:
            outcomes.append(try_guard(guard, tree))
            show(outcomes[-1])
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=1))
    missed = [one.guard for one in outcomes if one.said != NOTICED]
    print(f"\n{len(outcomes)} guards broken, {len(missed)} not noticed", *missed, sep="\n  ")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
