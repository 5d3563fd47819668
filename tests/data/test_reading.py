from __future__ import annotations

import threading
import time

import pytest
import torch

from glioray.data.reading import in_order, source_hash
from glioray.data.sources import kaggle_mri


def silent(*_):
    pass


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


def test_the_hash_is_of_names_and_contents(kaggle_folder) -> None:
    cases = kaggle_mri.find(kaggle_folder, None)
    first = source_hash(kaggle_folder, cases, 2, silent)
    assert source_hash(kaggle_folder, cases, 1, silent) == first
    file = cases[0].files[0]
    file.rename(file.with_name("renamed.jpg"))
    assert source_hash(kaggle_folder, kaggle_mri.find(kaggle_folder, None), 2, silent) != first
