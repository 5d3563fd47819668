from __future__ import annotations

import pytest

from glioray.training.plan import Plan
from glioray.training.record import History
from glioray.training.watching import waiting
from glioray.training.watching.waiting import Waiting, advice


def rows(*shares: float) -> History:
    return [{"epoch": epoch, "wait_share": share} for epoch, share in enumerate(shares, 1)]


def test_an_epoch_that_reads_the_data_first_may_wait(plan: Plan) -> None:
    assert advice(plan, rows(0.9)) is None
    assert advice(plan, rows(0.9, 0.01)) is None
    assert advice(plan, [{"epoch": 1}, {"epoch": 2}]) is None


def test_where_the_data_do_not_fit_the_advice_names_how_many_workers_do(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "something else takes the cores" in (advice(plan, rows(0.1, 0.1)) or "")
    monkeypatch.setattr(waiting, "train_bytes", lambda data: 2.5 * waiting.WORKER_BYTES)
    assert "scaling.num_workers to 3 or more" in (advice(plan, rows(0.1, 0.1)) or "")


def test_it_is_said_once(plan: Plan) -> None:
    lines: list[str] = []
    listener = Waiting(plan, lines.append)
    for count in (1, 2, 3):
        listener.epoch(rows(*[0.2] * count))
    assert len(lines) == 1
    assert "20%" in lines[0]
