"""The fuzzer of readers: what it makes, and that a reader that breaks its promise is found and can be read again."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import random
import sys
from pathlib import Path

import pytest

from glioray.errors import DataError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from _good_scans import dicoms, h5s, niftis, pictures
from _reader import Reader
from _reshape import reshape_dicom, reshape_h5, reshape_nifti, reshape_picture
from _trees import reshape_csv, reshape_json, reshape_yaml
from _worker import Limits, Worker

fuzz = importlib.import_module("fuzz")


def read(content: bytes) -> None:
    """Reads what begins with a known letter, each in a way of its own."""
    if content[:1] == b"d":
        raise DataError("damaged")
    if content[:1] == b"k":
        raise KeyError("unforeseen")
    if content[:1] == b"c":
        os.abort()
    while content[:1] == b"s":
        sum(range(1000))
    if content[:1] == b"m":
        del [bytearray(b"x" * 300_000_000)][0]


READER = Reader("toy", {"good": b"good file"}, read, (DataError,), lambda rng, content: content)


@pytest.fixture
def worker(tmp_path):
    worker = Worker([READER], Limits(seconds=0.5, mb=100.0), tmp_path)
    yield worker
    worker.close()


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"good", "read"), (b"d", "refused"), (b"k", "raised"), (b"c", "crashed"), (b"s", "slow"), (b"m", "large")],
)
def test_whatever_becomes_of_a_reader_is_told_and_the_next_file_is_read(worker, content, kind):
    before, outcome, after = worker.read("toy", [b"good", content, b"good"])

    assert (before.kind, outcome.kind, after.kind) == ("read", kind, "read")
    assert outcome.is_finding == (kind not in ("read", "refused"))
    assert [one.kind for one in worker.read("toy", [b"d", content])] == ["refused", kind]


def test_a_finding_is_saved_once_with_its_smallest_file_and_read_again(worker, tmp_path):
    contents = (b"kkkk", b"kk", b"kkk")
    for content, outcome in zip(contents, worker.read("toy", contents), strict=True):
        path = fuzz.save(tmp_path / "out", "toy", 7, fuzz.Input(content, "by hand", 0), outcome)
    outcome = fuzz.replay(path, [READER], Limits(), tmp_path)

    assert [one.name for one in (tmp_path / "out").iterdir()] == [path.name]
    assert json.loads(path.read_text())["kind"] == outcome.kind == "raised"
    assert "KeyError" in outcome.where


def test_a_tally_keeps_new_outcomes_and_the_smallest_finding(worker):
    tally = fuzz.Tally()
    contents = (b"kkk", b"k", b"kk", b"good", b"d")
    added = [tally.add(fuzz.Input(c, "", 0), o) for c, o in zip(contents, worker.read("toy", contents), strict=True)]

    assert added == [True, True, False, False, False]
    assert tally.kept == [b"kkk", b"good", b"d"]
    assert [made.content for made, _ in tally.findings.values()] == [b"k"]
    assert tally.row("toy")["outcomes"] == 3


def test_files_are_the_same_for_a_seed_and_differ_from_the_good():
    def some(seed):
        made = fuzz.inputs(READER, seed, [])
        return [next(made).content for _ in range(50)]

    assert some(1) == some(1) != some(2)
    assert sum(content == b"good file" for content in some(1)) < 40


@pytest.mark.parametrize(
    ("reshape", "good"),
    [
        (reshape_picture, pictures()["PNG"]),
        (reshape_picture, pictures()["TIFF"]),
        (reshape_nifti, niftis()["slope"]),
        (reshape_nifti, niftis()["gz"]),
        (reshape_dicom, dicoms()["explicit"]),
        (reshape_dicom, dicoms()["implicit"]),
        (reshape_h5, h5s()["plain"]),
        (reshape_json, b'{"a": [1, {"b": null}], "c": "d"}'),
        (reshape_yaml, b"a: [1, {b: null}]\nc: d\n"),
        (reshape_csv, b"a,b\n1,2\n"),
    ],
    ids=["PNG", "TIFF", "NIfTI", "gzip", "DICOM", "implicit DICOM", "HDF5", "JSON", "YAML", "CSV"],
)
def test_damage_by_structure_is_the_same_for_a_seed_and_of_many_kinds(reshape, good):
    made = [reshape(random.Random(seed), good) for seed in range(20)]

    assert made[:3] == [reshape(random.Random(seed), good) for seed in range(3)] or reshape is reshape_h5
    assert len(set(made)) > 10


def test_a_packed_file_stays_packed():
    for seed in range(10):
        assert len(gzip.decompress(reshape_nifti(random.Random(seed), niftis()["gz"]))) > 352


def test_yaml_that_contains_itself_is_left_as_it_is():
    """Its values have no end to choose from."""
    assert reshape_yaml(random.Random(0), b"&a [*a]") == b"&a [*a]"
