from __future__ import annotations

from pathlib import Path

import pytest

from glioray.training.news import Progress
from glioray.training.plan import Plan
from glioray.training.record import BUNDLE, History, write_metrics
from glioray.training.watching.listener import Listener, told


class Notebook(Listener):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.epochs: list[list[float]] = []
        self.ended: list[Path | None] = []

    def epoch(self, history: History) -> None:
        self.epochs.append([row["loss"] for row in history])

    def end(self, history: History, bundle: Path | None) -> None:
        self.ended.append(bundle)


class Faulty(Listener):
    """A server that went away."""

    name = "Faulty"
    asked = 0

    def epoch(self, history: History) -> None:
        self.asked += 1
        raise TimeoutError("nobody at http://ann:secret@host/api\nand a second line")

    def end(self, history: History, bundle: Path | None) -> None:
        self.asked += 100


def at_end(epoch: int, loss: float) -> Progress:
    return Progress(epoch, 3, 8, 8, loss, {"epoch": epoch, "loss": loss, "best_epoch": 1})


def test_a_listener_that_fails_is_told_once_and_gets_another_try_at_the_end(plan: Plan) -> None:
    lines: list[str] = []
    faulty, notebook = Faulty(), Notebook()
    with told(plan, [faulty, notebook], lines.append) as audience:
        for epoch in (1, 2, 3):
            audience(at_end(epoch, 1 / epoch))
    assert lines == ["Faulty fails (TimeoutError: nobody at http://***@host/api); training goes on without it"]
    assert faulty.asked == 101
    assert len(notebook.epochs) == 3


def test_a_driver_that_was_restarted_knows_the_epochs_before(plan: Plan) -> None:
    write_metrics(plan.folder, [{"epoch": 1, "loss": 0.5, "best_epoch": 1}, {"epoch": 2, "loss": 0.4, "best_epoch": 1}])
    notebook = Notebook()
    with told(plan, [notebook], print) as audience:
        audience(at_end(3, 0.3))
    assert notebook.epochs == [[0.5, 0.4, 0.3]]


def test_an_epoch_that_comes_again_after_a_lost_worker_stands_once(plan: Plan) -> None:
    notebook = Notebook()
    with told(plan, [notebook], print) as audience:
        for epoch, loss in ((1, 0.5), (2, 0.4), (2, 0.41), (3, 0.3)):
            audience(at_end(epoch, loss))
    assert notebook.epochs[-1] == [0.5, 0.41, 0.3]


def test_rows_that_this_driver_never_saw_are_read_from_the_run(plan: Plan) -> None:
    notebook = Notebook()
    with told(plan, [notebook], print) as audience:
        write_metrics(plan.folder, [{"epoch": e, "loss": 0.1 * e, "best_epoch": 1} for e in (1, 2)])
        audience(at_end(3, 0.3))
    assert notebook.epochs == [[pytest.approx(0.1), pytest.approx(0.2), 0.3]]


def test_the_end_is_told_however_it_comes(plan: Plan) -> None:
    notebook = Notebook()
    with told(plan, [notebook], print):
        pass
    with pytest.raises(KeyboardInterrupt), told(plan, [notebook], print):
        raise KeyboardInterrupt
    assert notebook.ended == [plan.folder / BUNDLE, None]
