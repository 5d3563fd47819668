"""What breaks the service: spoiled files, calls made from its own description, and the attacks that are known.

    python benchmarks/attacks.py [--json FILE] [--files 2000] [--seed 0] [--only files,calls,attacks]
    python benchmarks/attacks.py --url http://127.0.0.1:8000 --pid PID [--key KEY]

Trains two small models on the phantom for an epoch, publishes them into a temporary registry and starts `glioray serve`
on the loopback, with keys, its usual settings and 8 s for a request; or takes a service that runs, whose process --pid
is that of `glioray serve`, for its memory. Linux only: memory is what the kernel counts as resident, its peak exact,
summed over all processes of the service and of its Ray. Calls are made by schemathesis, of the dev extra.

While an attack runs somebody well-behaved asks for health and for the class of a good image in turn; the longest wait
for both stands beside it. Ends with 1 where a rule is broken: a 5xx other than 503, a reply that is no JSON or problem,
another answer to the same good files than before, more memory kept than MOST_GROWTH_MB, a call that is answered
otherwise than described.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from _attacks import ATTACKS, Field
from _fuzz import Tally, fuzz
from _good_files import good_files
from _loris import Bystander
from _raw import Told
from _resident import Resident, forget_peaks, resident
from _schema_calls import call_by_schema
from _served import Service, publish_models, served

WARM_UP_FILES = 300
MOST_GROWTH_MB = 100.0
"""of one process, over all spoiled files"""
TOTAL_TIMEOUT_S, TRICKLE_S = 8.0, 12.0
PARTS = ("files", "calls", "attacks")
PASSING = ("elapsed_ms",)


@dataclass(frozen=True)
class Outcome:
    """One attack."""

    name: str
    status: int | None
    words: str
    seconds: float
    risen_mb: float
    longest_wait_s: float
    failures: dict[str, int]
    died: list[str]
    same_answers: bool


def answers(service: Service, good: dict[str, bytes]) -> list[Any]:
    """Health, and what is said of good files: a slice of each question, and a volume; without what passes."""
    with service.client() as client:
        replies = [client.get("/healthz"), client.post("/v1/classify", content=good["PNG"])]
        replies += [client.post("/v1/segment", content=good[kind]) for kind in ("npy slice", "NIfTI gzip")]
        contents = [reply.raise_for_status().json() for reply in replies]
    return [{key: value for key, value in content.items() if key not in PASSING} for content in contents]


def measure_files(service: Service, good: dict[str, bytes], count: int, seed: int) -> dict[str, Any]:
    """All of the spoiled files, after a warm-up with others."""
    fuzz(service, good, WARM_UP_FILES, seed + 1)
    before, expected, started_at = memory(service), answers(service, good), time.perf_counter()
    tally = fuzz(service, good, count, seed)
    elapsed_s, same = time.perf_counter() - started_at, is_same(service, good, expected)
    grown = memory(service).grown_mb(before)
    show_files(tally, good, elapsed_s, before, grown)
    faults = tally.faults + ([] if same else ["good files are answered otherwise than before"])
    faults += [f"{name} keeps {mb:.0f} MB more" for name, mb in grown.items() if mb > MOST_GROWTH_MB]
    statuses = {kind: tally.of(kind) for kind in good}
    return {"statuses": statuses, "unforeseen": tally.unforeseen, "grown_mb": grown, "faults": faults, "s": elapsed_s}


def show_files(
    tally: Tally, good: dict[str, bytes], elapsed_s: float, before: Resident, grown: dict[str, float]
) -> None:
    columns = sorted({status for _, status in tally.statuses})
    print(f"\nSpoiled files: {tally.statuses.total()} in {elapsed_s:.0f} s, by status")
    print(f"{'':<16}" + "".join(f"{status:>7}" for status in columns) + f"{'unforeseen':>13}")
    for kind in good:
        counts = tally.of(kind)
        print(f"{kind:<16}" + "".join(f"{counts.get(status, 0):>7}" for status in columns), end="")
        print(f"{tally.unforeseen[kind]:>13}")
    print(f"{'all':<16}" + "".join(f"{sum(tally.of(k).get(s, 0) for k in good):>7}" for s in columns))
    print("\nResident memory after the warm-up, and growth over the files, MB")
    for pid, name in before.names.items():
        print(f"{name:<28}{before.now_mb[pid]:>8.0f}{grown.get(name, 0.0):>+8.1f}")


def measure_calls(service: Service, good: dict[str, bytes], seed: int) -> dict[str, Any]:
    """Calls made from the service's own description."""
    calls = call_by_schema(service, good, seed)
    print(f"\nCalls by the description: {calls.num_calls}, and {calls.num_good} good ones, in {calls.elapsed_s:.0f} s")
    for operation, statuses in calls.statuses.items():
        print(f"{operation:<32}" + "  ".join(f"{status}: {count}" for status, count in statuses.items()))
    return asdict(calls)


def measure_attacks(service: Service, good: dict[str, bytes], folder: Path) -> dict[str, Any]:
    """Each attack, with what it cost, and whether good files are answered as before."""
    field, expected = Field(service, good, folder / "made-by-a-pickle", TRICKLE_S), answers(service, good)
    print(f"\n{'attack':<42}{'status':>7}{'s':>7}{'MB more':>9}{'others wait':>13}  told")
    outcomes = []
    for name, attack in ATTACKS.items():
        before = memory(service)
        if service.pid is not None:
            forget_peaks(service.pid)
        started_at = time.perf_counter()
        with Bystander(service, good["PNG"]) as bystander:
            answer = attempted(attack, field)
            elapsed_s = time.perf_counter() - started_at
        after = memory(service)
        same = is_same(service, good, expected)
        outcomes.append(
            Outcome(
                *(name, answer.status, answer.words, elapsed_s, after.risen_mb(before), bystander.longest_s),
                failures=dict(bystander.failures),
                died=after.started_since(before),
                same_answers=same,
            )
        )
        show(outcomes[-1])
    return {"attacks": [asdict(one) for one in outcomes], "faults": [text for one in outcomes for text in wrong(one)]}


def attempted(attack: Any, field: Field) -> Told:
    try:
        told: Told = attack(field)
    except httpx.HTTPError as error:
        return Told(None, f"{type(error).__name__}: {error}")
    return told


def show(one: Outcome) -> None:
    print(f"{one.name:<42}{one.status or '-':>7}{one.seconds:>7.2f}{one.risen_mb:>9.0f}", end="")
    wait = f"{one.longest_wait_s:.2f} s" if one.longest_wait_s else "-"
    print(f"{wait:>13}  {one.words}", *wrong(one), flush=True)


def wrong(one: Outcome) -> list[str]:
    """What rules an attack broke."""
    found = [f"status {one.status}"] if one.status is not None and one.status >= 500 and one.status != 503 else []
    found += [f"{count} times {what} for others" for what, count in one.failures.items()]
    found += [f"{name} died and was started anew" for name in one.died]
    found += [] if one.same_answers else ["good files are answered otherwise than before"]
    found += [words for words in ("YES",) if words in one.words]
    return [f"FAULT, {one.name}: {text}" for text in found]


def is_same(service: Service, good: dict[str, bytes], expected: list[Any]) -> bool:
    try:
        return answers(service, good) == expected
    except httpx.HTTPError:
        return False


def memory(service: Service) -> Resident:
    return Resident({}, {}, {}) if service.pid is None else resident(service.pid)


@contextlib.contextmanager
def service_of(options: argparse.Namespace, folder: Path) -> Iterator[Service]:
    if options.url:
        yield Service(options.url.rstrip("/"), options.key, options.pid)
        return
    with served(folder, publish_models(folder), TOTAL_TIMEOUT_S) as service:
        yield service


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a service that runs; none starts one")
    parser.add_argument("--pid", type=int, help="of that `glioray serve`")
    parser.add_argument("--key", help="that it takes, if it has keys")
    parser.add_argument("--files", type=int, default=2000, help="spoiled files in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, service_of(options, Path(place)) as service:
        good, parts = good_files(service.channels()), options.only.split(",")
        found: dict[str, Any] = {}
        if "files" in parts:
            found["files"] = measure_files(service, good, options.files, options.seed)
        if "calls" in parts:
            found["calls"] = measure_calls(service, good, options.seed)
        if "attacks" in parts:
            found["attacks"] = measure_attacks(service, good, Path(place))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    faults = [fault for part in found.values() for fault in part["faults"]]
    print(f"\n{len(faults)} rules broken", *faults, sep="\n  ")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
