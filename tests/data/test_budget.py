from __future__ import annotations

import os

import pytest

from glioray.data import budget
from glioray.data.budget import is_much, threads_within, workers_within
from glioray.data.prepare_options import PrepareOptions


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """900 bytes in two files, where 1000 are much."""
    monkeypatch.setattr(budget, "MUCH_BYTES", 1000)
    (tmp_path / "deep").mkdir()
    (tmp_path / "one").write_bytes(b"x" * 400)
    (tmp_path / "deep" / "two").write_bytes(b"x" * 500)
    return tmp_path


def test_little_is_read_here_and_much_is_worth_a_start_of_ray(raw) -> None:
    assert not is_much(raw, PrepareOptions())
    (raw / "deep" / "three").write_bytes(b"x" * 100)
    assert is_much(raw, PrepareOptions())


def test_one_worker_is_always_here(raw) -> None:
    (raw / "large").write_bytes(b"x" * 5000)
    assert not is_much(raw, PrepareOptions(workers=1))
    assert is_much(raw, PrepareOptions(workers=2))


def test_an_archive_counts_by_its_size(raw) -> None:
    (raw / "scans.zip").write_bytes(b"x" * 2000)
    assert is_much(raw / "scans.zip", PrepareOptions())
    assert not is_much(raw / "one", PrepareOptions())


def test_a_raw_folder_that_is_not_there_is_left_to_the_source(tmp_path) -> None:
    assert not is_much(tmp_path / "nowhere", PrepareOptions())


@pytest.mark.parametrize(
    ("asked", "memory_gb", "cores", "granted"),
    [
        (0, 8, 2, 2),  # one a core
        (0, 8, 64, 4),  # 8 GB are this process and four actors
        (10, 8, 2, 4),
        (3, 8, 64, 3),
        (10, 32, 2, 10),
        (0, 2, 8, 1),  # at least one
    ],
)
def test_workers_are_as_many_as_asked_for_and_as_the_memory_holds(asked, memory_gb, cores, granted) -> None:
    options = PrepareOptions(workers=asked, memory_gb=memory_gb)
    found = workers_within(options, cores)
    assert found == granted
    assert found == 1 or budget.HERE_GB + found * budget.WORKER_GB <= memory_gb


def test_threads_that_read_volumes_are_no_more_than_the_memory_holds() -> None:
    options = PrepareOptions(workers=10, memory_gb=8)
    assert threads_within(options, "segmentation") == workers_within(options, 10) == 4
    assert threads_within(options, "classification") == 10


def test_cores_are_those_of_the_machine_where_the_system_does_not_say_which_may_be_used(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert PrepareOptions().num_threads == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert PrepareOptions().num_threads == 1
