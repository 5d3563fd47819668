"""Every reader of glioray, given files that are damaged: it reads them, or refuses them as its docstring says.

    python benchmarks/fuzz.py [--seconds 900] [--readers NIfTI,recipe] [--seed 0] [--out FOLDER] [--json FILE]
    python benchmarks/fuzz.py --replay FOLDER/nifti-1a2b3c4d.json

Good files of every format are spoiled: bits flipped, cut off, spliced, lengths grown; by their structure, so that
checksums and sizes still fit; or random bytes after a good beginning. A file that led to an outcome that was not seen
before is spoiled further. Each is read in a process with limits on time and memory. A finding is another exception than
the reader's docstring promises, the end of the process, over --limit-s seconds of the CPU, or over --limit-mb MB for a
file of some kilobytes. Of findings at one place the smallest file is kept, with all that it takes to read it again.

--seconds are of the CPU, for making and reading the files of all readers together, so that a busy machine makes a run
longer and not thinner; the files are the same for a seed. Ends with 1 where there is a finding. Linux only.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import hashlib
import itertools
import json
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _reader import Reader
from _spoil import SPOIL
from _worker import Limits, Outcome, Worker

MOST_KEPT = 300
LARGEST_BYTES = 2**19
ROUND = 25
STRUCTURE, RANDOM = "by its structure", "random bytes"


@dataclass(frozen=True)
class Input:
    """One spoiled file, and how it came about."""

    content: bytes
    how: str
    number: int


@dataclass
class Tally:
    """What a reader did so far; `kept` are files with outcomes that were new."""

    inputs: int = 0
    making_s: float = 0.0
    reading_s: float = 0.0
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    kept: list[bytes] = field(default_factory=list)
    findings: dict[str, tuple[Input, Outcome]] = field(default_factory=dict)

    def add(self, made: Input, outcome: Outcome) -> bool:
        """Whether it is a finding that is new, or a smaller file for one."""
        self.inputs += 1
        self.reading_s += outcome.cpu_s
        key = f"{outcome.kind}: {outcome.where}"
        if key not in self.outcomes and len(self.kept) < MOST_KEPT:
            self.kept.append(made.content)
        self.outcomes[key] += 1
        known = self.findings.get(key)
        is_smaller = known is None or len(made.content) < len(known[0].content)
        if outcome.is_finding and is_smaller:
            self.findings[key] = made, outcome
        return outcome.is_finding and is_smaller

    @property
    def spent_s(self) -> float:
        """Of the CPU."""
        return self.making_s + self.reading_s

    def row(self, name: str) -> dict[str, Any]:
        kinds = collections.Counter[str]()
        for key, count in self.outcomes.items():
            kinds[key.partition(":")[0]] += count
        return {
            **{"reader": name, "inputs": self.inputs, "seconds": round(self.spent_s, 1), "read": kinds["read"]},
            **{"refused": kinds["refused"], "outcomes": len(self.outcomes), "findings": len(self.findings)},
        }


def inputs(reader: Reader, seed: int, kept: Sequence[bytes]) -> Iterator[Input]:
    """Spoiled files without end; `kept` may grow meanwhile."""
    good = list(reader.good.values())
    for number in range(2**63):
        rng = random.Random(f"{seed} {reader.name} {number}")
        content, steps = rng.choice(kept if kept and rng.random() < 0.4 else good), []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            how, content = spoiled(rng, reader, content, good)
            steps.append(how)
        if len(content) <= LARGEST_BYTES:
            yield Input(content, ", ".join(steps), number)


def spoiled(rng: random.Random, reader: Reader, content: bytes, good: Sequence[bytes]) -> tuple[str, bytes]:
    """A file damaged once more, and how."""
    chance = rng.random()
    if chance < 0.05 or len(content) < 2:
        kept = rng.choice(good)[: rng.choice((0, 4, 16, 132, 348))]
        return RANDOM, kept + rng.randbytes(rng.choice((1, 10, 100, 1000)))
    if chance < 0.55:
        try:
            return STRUCTURE, reader.reshape(rng, content)
        except Exception:  # damaged too much to have one
            return STRUCTURE, content
    how = rng.choice(list(SPOIL))
    return how, SPOIL[how](rng, content, rng.choice(good))


def fuzz(readers: Sequence[Reader], worker: Worker, seconds: float, seed: int, out: Path) -> dict[str, Tally]:
    """Goes round over the readers, each time to the one that had the least of the CPU so far; saves what it finds."""
    tallies = {reader.name: Tally() for reader in readers}
    sources = {reader.name: inputs(reader, seed, tallies[reader.name].kept) for reader in readers}
    with contextlib.suppress(KeyboardInterrupt):  # what was done until then is told too
        while sum(tally.spent_s for tally in tallies.values()) < seconds:
            name = min(tallies, key=lambda name: (tallies[name].spent_s, tallies[name].inputs))
            started_at = time.process_time()
            files = list(itertools.islice(sources[name], ROUND))
            tallies[name].making_s += time.process_time() - started_at
            outcomes = worker.read(name, [made.content for made in files])
            for made, outcome in zip(files, outcomes, strict=True):
                if tallies[name].add(made, outcome):
                    save(out, name, seed, made, outcome)
    return tallies


def save(folder: Path, reader: str, seed: int, made: Input, outcome: Outcome) -> Path:
    """A finding as a file that `--replay` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(reader, outcome)
    record = {
        **{"reader": reader, "seed": seed, "number": made.number, "how": made.how, "kind": outcome.kind},
        **{"where": outcome.where, "told": outcome.told, "content": base64.b64encode(made.content).decode()},
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def file_name(reader: str, outcome: Outcome) -> str:
    """The same for findings at the same place."""
    digest = hashlib.sha256(f"{reader} {outcome.kind} {outcome.where}".encode()).hexdigest()[:8]
    return f"{reader.replace(' ', '-').lower()}-{digest}.json"


def replay(path: Path, readers: Sequence[Reader], limits: Limits, folder: Path) -> Outcome:
    """Reads the file of a finding again."""
    record = json.loads(path.read_text())
    worker = Worker([reader for reader in readers if reader.name == record["reader"]], limits, folder)
    try:
        return next(worker.read(record["reader"], [base64.b64decode(record["content"])]))
    finally:
        worker.close()


def show(tallies: dict[str, Tally], out: Path) -> None:
    columns = ("inputs", "seconds", "read", "refused", "outcomes", "findings")
    print(f"{'reader':<18}" + "".join(f"{column:>10}" for column in columns))
    rows = [tally.row(name) for name, tally in tallies.items()]
    total = {"reader": "all", **{column: sum(row[column] for row in rows) for column in columns}}
    for row in (*rows, total):
        print(f"{row['reader']:<18}" + "".join(f"{row[column]:>10,.10g}" for column in columns))
    for name, tally in tallies.items():
        for key, (made, outcome) in tally.findings.items():
            path = out / file_name(name, outcome)
            print(f"FINDING, {name}: {key}, {tally.outcomes[key]} times, {len(made.content)} bytes: {path}")


def chosen(names: str | None, folder: Path) -> list[Reader]:
    """The readers by name, or all."""
    from _record_readers import record_readers
    from _scan_readers import scan_readers

    there = {reader.name: reader for reader in (*scan_readers(folder), *record_readers(folder))}
    wanted = names.split(",") if names else list(there)
    if unknown := set(wanted) - set(there):
        raise SystemExit(f"no reader is called {sorted(unknown)[0]!r}; there is: {', '.join(there)}")
    return [there[name] for name in wanted]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=900, help="of the CPU, over all readers")
    parser.add_argument("--readers", help="some of them, with commas; none takes all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-s", type=float, default=Limits.seconds, help="of the CPU, for one file")
    parser.add_argument("--limit-mb", type=float, default=Limits.mb, help="of memory, for one file")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="folder for the findings")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    parser.add_argument("--replay", type=Path, help="file of a finding, to be read again")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    limits = Limits(options.limit_s, options.limit_mb)
    warnings.simplefilter("ignore")  # of the libraries, about files that are damaged on purpose
    with tempfile.TemporaryDirectory() as place:
        readers = chosen(options.readers, Path(place))
        if options.replay:
            outcome = replay(options.replay, readers, limits, Path(place))
            print(f"{outcome.kind}: {outcome.where}\n{outcome.told}")
            raise SystemExit(outcome.is_finding)
        worker = Worker(readers, limits, Path(place))
        tallies = fuzz(readers, worker, options.seconds, options.seed, options.out)
        worker.close()
    show(tallies, options.out)
    if options.json:
        report = [tally.row(name) | {"by_outcome": dict(tally.outcomes)} for name, tally in tallies.items()]
        options.json.write_text(json.dumps({"seed": options.seed, "readers": report}, indent=1) + "\n")
    raise SystemExit(any(tally.findings for tally in tallies.values()))


if __name__ == "__main__":
    main()
