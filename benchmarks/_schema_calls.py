"""Calls that schemathesis makes from /openapi.json, and answers to good files held against their schemas."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from _served import Service

EXAMPLES_A_CALL = 40
ALL_WITHIN_S = 150
# Any bytes are a body by the description, and few bytes are an image: a refusal of good data is none of ours.
NOT_HELD = "positive_data_acceptance"
GoodCall = tuple[str, str, int, httpx.Response]
"""path and method as described, the status that is wanted, and what came"""
JOB = {"Prefer": "respond-async"}


@dataclass
class Calls:
    """How many calls of each operation had which status, and what was wrong with them."""

    statuses: dict[str, dict[int, int]] = field(default_factory=dict)
    num_good: int = 0
    elapsed_s: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def num_calls(self) -> int:
        return sum(sum(counts.values()) for counts in self.statuses.values())


def call_by_schema(service: Service, good: Mapping[str, bytes], seed: int) -> Calls:
    """Both, one after the other."""
    started_at, calls = time.perf_counter(), Calls()
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "calls.ndjson"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--no-color"]
        command += ["--seed", str(seed), "--max-examples", str(EXAMPLES_A_CALL), "--continue-on-failure"]
        command += ["--exclude-checks", NOT_HELD, "--report", "ndjson", "--report-ndjson-path", str(report)]
        command += [word for name, value in service.headers.items() for word in ("--header", f"{name}: {value}")]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=ALL_WITHIN_S, check=False)
        if not report.exists():
            raise SystemExit(f"schemathesis did not run; it comes with the dev extra:\n{done.stdout}{done.stderr}")
        read_report(report.read_text().splitlines(), calls)
    if done.returncode and not calls.faults:
        calls.faults.append(f"schemathesis ended with {done.returncode}: {done.stdout[-500:]}")
    hold_against_schemas(service, good, calls)
    calls.elapsed_s = time.perf_counter() - started_at
    return calls


def read_report(lines: list[str], calls: Calls) -> None:
    """The events of a run: every exchange, and the checks that it failed."""
    statuses: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for line in lines:
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder")
        if recorder is None:
            continue
        for exchange in recorder.get("interactions", {}).values():
            if exchange["response"] is not None:
                statuses[recorder["label"]][exchange["response"]["status_code"]] += 1
        for checks in recorder.get("checks", {}).values():
            failed = [check for check in checks if check["status"] != "success"]
            calls.faults += [f"{recorder['label']}: {check['name']}: {_why(check)}" for check in failed]
    calls.statuses = {label: dict(sorted(counts.items())) for label, counts in sorted(statuses.items())}


def hold_against_schemas(service: Service, good: Mapping[str, bytes], calls: Calls) -> None:
    """Random bytes are never an image: the answers that matter are asked for with good files, and a job's in turn."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    for path, method, wanted, response in _good_calls(service, good):
        calls.num_good += 1
        if response.status_code != wanted:
            calls.faults.append(f"{method} {path}, good: {response.status_code}, wanted {wanted}")
        try:
            schema[path][method].validate_response(response)
        except (schemathesis.errors.SchemathesisError, AssertionError) as error:
            calls.faults.append(f"{method} {path}, good: {' '.join(str(error).split())[:300]}")


def _good_calls(service: Service, good: Mapping[str, bytes]) -> Iterator[GoodCall]:
    with service.client() as client:
        for path in ("/healthz", "/readyz", "/v1/models"):
            yield path, "GET", 200, client.get(path)
        for kind in ("PNG", "JPEG"):
            yield "/v1/classify", "POST", 200, client.post("/v1/classify?picture=true", content=good[kind])
        for kind in ("npy slice", "TIFF", "npy volume", "NIfTI", "NIfTI gzip", "zip of DICOM"):
            for query in ("", "?picture=true"):
                yield "/v1/segment", "POST", 200, client.post(f"/v1/segment{query}", content=good[kind])
        yield from _life_of_a_job(client, good["NIfTI gzip"])


def _life_of_a_job(client: httpx.Client, volume: bytes) -> Iterator[GoodCall]:
    sent = client.post("/v1/segment", content=volume, headers=JOB)
    yield "/v1/segment", "POST", 202, sent
    address, status, result = sent.headers["location"], "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/result"
    while (now := client.get(address)).json()["state"] in ("queued", "running"):
        yield status, "GET", 200, now
        time.sleep(0.05)
    yield status, "GET", 200, now
    for accept in ("application/json", "application/gzip", "image/png"):
        yield result, "GET", 200, client.get(f"{address}/result", headers={"Accept": accept})
    yield status, "DELETE", 204, client.delete(address)
    yield status, "GET", 404, client.get(address)


def _why(check: dict[str, Any]) -> str:
    failure = (check.get("failure_info") or {}).get("failure") or {}
    return " ".join(f"{failure.get('title', '')}: {failure.get('message', '')}".split())[:300]
