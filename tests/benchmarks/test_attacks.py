"""What the attacks are made of: files that are what they claim to be, and a judge that sees what is wrong."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path
from types import ModuleType

import httpx
import nibabel
import pytest
from PIL import Image

from glioray.serving.kinds import is_volume, kind_of

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PROBLEM = {"type": "about:blank", "title": "It is busy", "status": 503, "detail": "Come back.", "instance": "/v1"}


@pytest.fixture
def module(monkeypatch):
    """A module of the benchmarks by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (BENCHMARKS / f"{name}.py").exists():
            sys.modules.pop(name)


@pytest.fixture
def good(module) -> dict[str, bytes]:
    return module("_good_files").good_files(("t1", "flair"))


def test_good_files_are_of_every_kind_and_the_same_each_time(module, good):
    kinds = {name: (kind_of(content), is_volume(content, name)) for name, content in good.items()}

    assert {kind for kind, _ in kinds.values()} == {"picture", "array", "dicom", "nifti", "zip"}
    assert [name for name, (_, volume) in kinds.items() if volume] == [
        *("npy volume", "NIfTI", "NIfTI gzip", "zip of DICOM")
    ]
    assert module("_good_files").good_files(("t1", "flair")) == good


def test_spoiled_files_are_the_same_for_a_seed_go_round_and_differ_from_the_good(module, good):
    spoiled_files = module("_fuzz").spoiled_files
    spoiled = list(spoiled_files(good, 300, seed=1))

    assert list(spoiled_files(good, 300, seed=1)) == spoiled
    assert list(spoiled_files(good, 300, seed=2)) != spoiled
    assert {(one.path, one.way, one.how) for one in spoiled} == {
        (path, way, how) for path in module("_fuzz").PATHS for way in ("body", "form") for how in module("_fuzz").SPOIL
    }
    assert sum(one.content == good[one.kind] for one in spoiled) < 15


@pytest.mark.parametrize(
    ("status", "content", "kind", "headers", "fault"),
    [
        (500, PROBLEM | {"status": 500}, "application/problem+json", {}, "status 500"),
        (502, PROBLEM | {"status": 502}, "application/problem+json", {}, "status 502"),
        (503, PROBLEM, "application/problem+json", {}, "does not say when to come back"),
        (400, PROBLEM, "application/problem+json", {}, "no whole problem"),
        (400, PROBLEM | {"status": 400}, "application/json", {}, "wanted 'application/problem+json'"),
        (200, {"detail": "Traceback (most recent"}, "application/json", {}, "stack trace"),
    ],
)
def test_what_is_wrong_with_a_reply_is_seen(module, status, content, kind, headers, fault):
    response = httpx.Response(status, content=json.dumps(content), headers={"content-type": kind, **headers})

    (found,) = module("_fuzz").faults_of(response)

    assert fault in found


def test_a_good_reply_has_no_fault(module):
    busy = {"content-type": "application/problem+json", "retry-after": "1"}

    assert module("_fuzz").faults_of(httpx.Response(503, content=json.dumps(PROBLEM), headers=busy)) == []
    assert module("_fuzz").faults_of(httpx.Response(200, json={"label": "glioma"})) == []
    assert module("_fuzz").faults_of(httpx.Response(200, text="OK")) == ["200 is not JSON: 'OK'"]


def test_a_zip_bomb_becomes_what_it_declares(module):
    content = module("_bombs").zip_bomb(3 * 10**7)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (entry,) = archive.infolist()
    unpacked = zlib.decompressobj(-15).decompress(content[content.index(b"scan.nii") + 8 :])
    assert entry.file_size == len(unpacked) == 3 * 10**7
    assert len(content) < 40_000


def test_a_bomb_over_4_gb_says_so(module):
    with zipfile.ZipFile(io.BytesIO(module("_bombs").zip_bomb(5 * 10**9))) as archive:
        assert archive.infolist()[0].file_size == 5 * 10**9


def test_members_of_an_overlapping_zip_are_all_good(module):
    content = module("_bombs").overlapping_zip(20, 50_000)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert sum(entry.file_size for entry in archive.infolist()) > 20 * 50_000
    assert len(content) < 3000


def test_a_header_claims_what_it_is_told_to(module):
    bombs = module("_bombs")
    header = nibabel.Nifti1Header(bombs.nifti_header((30_000, 30_000, 30_000))[:348])

    assert header.get_data_shape() == (30_000, 30_000, 30_000)
    assert Image.open(io.BytesIO(bombs.png_claiming(1000, 2000))).size == (1000, 2000)
    assert Image.open(io.BytesIO(bombs.tiff_claiming(3000, 2000))).size == (3000, 2000)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["ray::ServeReplica:glioray:kinds-v1"], "replica kinds-v1"),
        (["ray::ProxyActor.check_health"], "HTTP proxy"),
        (["/usr/bin/python3.11", "-u", "/opt/dashboard/agent.py"], "agent.py"),
        (["/opt/ray/raylet/raylet", "--port=1"], "raylet"),
    ],
)
def test_a_process_is_called_what_it_is(module, command, name):
    assert module("_resident").name_of(command) == name


def test_memory_that_was_taken_and_given_back_is_a_peak(module):
    resident, pid = module("_resident"), os.getpid()
    before = resident.resident(pid)
    resident.forget_peaks(pid)

    del [bytearray(b"x" * 200_000_000)][0]

    after = resident.resident(pid)
    assert after.risen_mb(before) > 150
    assert max(after.grown_mb(before).values()) < 100


def test_a_replica_that_was_started_anew_is_seen(module):
    resident = module("_resident").Resident
    before, after = resident({1: "replica kinds-v1"}, {}, {}), resident({2: "replica kinds-v1", 3: "raylet"}, {}, {})

    assert after.started_since(before) == ["replica kinds-v1"]
    assert before.started_since(before) == []


def test_an_answer_by_hand_is_told_by_its_status_and_words(module):
    raw = module("_raw")
    body = json.dumps({"title": "Not Found", "status": 404, "detail": "see /docs"}).encode()

    found = raw.told(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    assert (found.status, found.words) == (404, "Not Found: see /docs")
    assert raw.told(b"") == raw.Told(None, "closed without a word")
    assert len(raw.words_of("a" * 500)) == raw.LONGEST_WORDS


def test_the_report_of_calls_is_counted_and_its_failed_checks_are_faults(module):
    calls = module("_schema_calls").Calls()
    failed = {
        "name": "status_code",
        "status": "failure",
        "failure_info": {"failure": {"title": "Undocumented", "message": "418"}},
    }
    recorder = {
        "label": "GET /v1/models",
        "interactions": {"a": {"response": {"status_code": 418}}, "b": {"response": None}},
        "checks": {"a": [failed], "b": [{"name": "status_code", "status": "success"}]},
    }

    module("_schema_calls").read_report(
        ['{"Initialize": {}}', json.dumps({"ScenarioFinished": {"recorder": recorder}})], calls
    )

    assert calls.statuses == {"GET /v1/models": {418: 1}}
    assert calls.faults == ["GET /v1/models: status_code: Undocumented: 418"]


def test_an_attack_that_breaks_a_rule_is_a_fault(module):
    attacks: ModuleType = module("attacks")
    fine = attacks.Outcome("bomb", 413, "too large", 1.0, 5.0, 0.1, {}, [], same_answers=True)

    assert attacks.wrong(fine) == []
    for change, words in (
        ({"status": 500}, "status 500"),
        ({"failures": {"503": 2}}, "2 times 503 for others"),
        ({"died": ["replica kinds-v1"]}, "replica kinds-v1 died"),
        ({"same_answers": False}, "otherwise than before"),
        ({"words": "run: YES"}, "YES"),
    ):
        (fault,) = attacks.wrong(attacks.Outcome(**(vars(fine) | change)))
        assert words in fault
