from __future__ import annotations

import threading
import time

import pytest
import torch

from glioray.data.runners import in_order, run_here


def test_results_come_in_the_order_of_the_items_whichever_ends_first() -> None:
    def work(item):
        time.sleep(0.01 * (item % 3 == 0))
        return item * 10

    assert list(in_order(work, range(30), 4)) == [item * 10 for item in range(30)]


def test_only_a_few_items_are_taken_ahead() -> None:
    taken = []
    results = in_order(lambda item: item, (taken.append(i) or i for i in range(1000)), 3)
    next(results)
    assert len(taken) <= 8
    results.close()


def test_an_error_ends_the_threads_and_gives_torch_its_threads_back() -> None:
    before, threads = torch.get_num_threads(), threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 / item, [1, 0, 2], 2))
    assert torch.get_num_threads() == before
    assert threading.active_count() == threads


@pytest.mark.parametrize("num_threads", [1, 3])
def test_every_item_is_worked_on_once_and_told_of_once(num_threads) -> None:
    worked, told = [], []
    run_here(num_threads)(worked.append, range(20), told.append)
    assert sorted(worked) == told == list(range(20))


def test_torch_has_one_thread_in_each_of_ours() -> None:
    found = []
    run_here(2)(lambda _: found.append(torch.get_num_threads()), range(6), lambda _: None)
    assert set(found) == {1}


def test_an_error_of_the_work_comes_as_itself_and_ends_it() -> None:
    worked = []

    def work(item):
        worked.append(item)
        if item == 3:
            raise OSError(28, "No space left on device", "/somewhere")

    with pytest.raises(OSError, match="No space left") as raised:
        run_here(1)(work, range(100), lambda _: None)
    assert (raised.value.errno, raised.value.filename) == (28, "/somewhere")
    assert len(worked) < 10


def test_nothing_to_do_is_done_at_once() -> None:
    run_here(2)(lambda _: pytest.fail("worked"), [], lambda _: pytest.fail("told"))
