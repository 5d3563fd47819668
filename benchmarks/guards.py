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
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_suffix(".yaml")
NOT_OF_THE_SOURCE = ("data", "demo", "runs", "registry", "evaluations", "build", "dist")
NOTICED, PASSED = "failed as it must", "NOT NOTICED"
TIMEOUT_S = 600
# They are most of the seconds of a run, and are imported once; torchvision and Ray want the package's settings first.
PRELOADED = (
    *("pytest", "xdist.scheduler", "hypothesis", "torch", "torch.fx", "sympy", "numpy", "scipy.ndimage", "skimage"),
    *("sklearn.metrics", "pandas", "nibabel", "pydicom", "h5py", "pyarrow.parquet", "pydantic", "safetensors.torch"),
    *("fsspec", "fastapi.testclient", "httpx", "jinja2", "PIL.Image", "matplotlib.pyplot", "optuna", "tensorboardX"),
    *("monai.networks.nets", "monai.losses", "monai.metrics"),
)


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
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(list(PRELOADED))
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "output"
        process = processes.Process(target=_run_pytest, args=(root, tuple(tests), output))
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            return 1, f"1 failed: took more than {TIMEOUT_S} s"
        lines = output.read_text().strip().splitlines() if output.exists() else []
    return process.exitcode, (lines or ["nothing"])[-1]


def _run_pytest(root: Path, tests: Sequence[str], output: Path) -> None:
    """In a process of its own, which has the libraries and nothing of the package."""
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root / "platform")
    sys.path.insert(0, str(root / "platform"))
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.partition(".")[0] == "glioray"]:
        del sys.modules[name]  # whoever started the server of processes may have had it load the package
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-n", "0", *tests])
    sys.stdout.flush()
    os._exit(int(code))


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

    return Path(shutil.copytree(root, place, ignore=left_out))


def require_sound(guards: Iterable[Guard], root: Path) -> None:
    """Raises SystemExit where a guard's words are gone, or its tests fail before anything is broken."""
    for guard in guards:
        broken(guard, root)
    code, summary = run_tests(root, sorted({test for guard in guards for test in guard.tests}))
    if code != 0:
        raise SystemExit(f"unbroken, the tests end with {code}: {summary}")
    print(f"Unbroken: {summary.strip('= ')}")


def try_all(guards: Iterable[Guard], root: Path) -> list[Outcome]:
    """One after the other in one tree, each told as it ends."""
    outcomes = []
    for guard in guards:
        outcomes.append(try_guard(guard, root))
        show(outcomes[-1])
    return outcomes


def show(outcome: Outcome) -> None:
    first = outcome.tests[0].removeprefix("tests/") + (f" +{len(outcome.tests) - 1}" if outcome.tests[1:] else "")
    print(f"{outcome.guard:<54}{outcome.said:<20}{outcome.seconds:>6.1f} s  {first}", flush=True)


def main() -> None:
    """Prints a line for each guard; ends with 1 where one is not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="words of names or files, with commas; default: all guards")
    parser.add_argument("--jobs", type=int, default=1, help="that work at once, each in a copy of its own")
    parser.add_argument("--json", type=Path, help="file for the outcomes")
    options = parser.parse_args()
    words = options.only.split(",")
    chosen = [guard for guard in table() if any(word in f"{guard.name} {guard.file}" for word in words)]
    with tempfile.TemporaryDirectory() as place:
        trees = [copy_of(ROOT, Path(place) / str(number)) for number in range(options.jobs)]
        require_sound(chosen, trees[0])
        with ThreadPoolExecutor(options.jobs) as pool:
            shares = [pool.submit(try_all, chosen[number :: options.jobs], tree) for number, tree in enumerate(trees)]
        outcomes = [outcome for share in shares for outcome in share.result()]
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=1))
    missed = [one.guard for one in outcomes if one.said != NOTICED]
    print(f"\n{len(outcomes)} guards broken, {len(missed)} not noticed", *missed, sep="\n  ")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
