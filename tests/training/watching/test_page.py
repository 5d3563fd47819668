from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from glioray.data.manifest import Leak
from glioray.data.prepared import PreparedDataset
from glioray.registry.card import NOT_A_DEVICE
from glioray.training.plan import Plan
from glioray.training.record import CURVES, History
from glioray.training.watching import page
from glioray.training.watching.origin import ORIGIN, read_sessions
from glioray.training.watching.page import FILE_NAME, Invocation, RunPage, render

CALLED = Invocation("glioray train a.yaml --set seed=3", "runs/trial")


def rows(count: int, **more: float) -> History:
    """The second epoch is the best."""
    return [
        {"epoch": e, "loss": 1 / e, "val/loss": 1.1 / e, "val/dice": 0.5, "score": 0.9 if e == 2 else 0.1}
        | {"learning_rate": 1e-3, "rows": 8, "train_s": 2.0, "epoch_s": 3.0, "best_epoch": min(e, 2)}
        | more
        for e in range(1, count + 1)
    ]


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("</style>")[1]).split())


def test_the_page_says_where_the_run_is_and_what_comes_next(plan: Plan) -> None:
    running = text_of(render(plan, rows(2), "running", CALLED, ()))
    stopped = text_of(render(plan, rows(2), "stopped", CALLED, ()))
    complete = text_of(render(plan, rows(3), "complete", CALLED, ()))
    assert "Epoch 2 of 3 done" in running
    assert "tensorboard --logdir runs/trial/tensorboard" in running
    assert "Stopped after epoch 2 of 3" in stopped
    assert "glioray train a.yaml --set seed=3" in stopped
    assert "Best so far on val: dice 0.9000 in epoch 2" in running
    assert "Complete: 3 epochs" in complete
    assert "glioray evaluate runs/trial" in complete
    for text in (running, stopped, complete):
        assert NOT_A_DEVICE in text
        assert "SYNTHETIC" in text


def test_the_command_can_be_pasted_again() -> None:
    asked = Invocation.of(Path("a b.yaml"), ["answer.flips=[x, y]"], "n", "/mnt/runs", "/mnt/runs/n")
    assert asked.command == "glioray train 'a b.yaml' --set 'answer.flips=[x, y]' --name n --runs /mnt/runs"
    assert Invocation.of(Path("a.yaml"), [], None, "runs", "runs/n").command == "glioray train a.yaml"


def test_only_a_page_of_a_running_training_renews_itself(plan: Plan) -> None:
    assert 'http-equiv="refresh"' in render(plan, rows(1), "running", CALLED, ())
    assert 'http-equiv="refresh"' not in render(plan, rows(3), "complete", CALLED, ())


def test_the_best_epoch_is_marked_and_no_other(plan: Plan) -> None:
    html = render(plan, rows(3), "running", CALLED, ())
    assert re.findall(r'<tr class="best"><th scope="row">(\d+) best</th>', html) == ["2"]


def test_waiting_is_shown_where_it_was_measured_and_warned_of_where_it_is_long(plan: Plan) -> None:
    assert "waiting" not in text_of(render(plan, rows(2), "running", CALLED, ()))
    assert "12.0%" in text_of(render(plan, rows(2, wait_share=0.12), "running", CALLED, ()))
    assert "The workers wait for data 12%" in render(plan, rows(2, wait_share=0.12), "running", CALLED, ())
    assert "The workers wait for data" not in render(plan, rows(2, wait_share=0.01), "running", CALLED, ())


def test_the_leak_of_a_published_split_is_on_the_page(plan: Plan) -> None:
    leak = Leak(test_images=8, with_copy_in_training=3)
    manifest = plan.data.manifest.model_copy(update={"leak": leak})
    leaky = Plan(plan.recipe, PreparedDataset(plan.data.folder, manifest, plan.data.split), plan.place)
    assert f"{leak}: scores are too good" in text_of(render(leaky, rows(1), "running", CALLED, ()))
    assert "No group stands on two sides" not in render(leaky, rows(1), "running", CALLED, ())


def test_a_thousand_epochs_are_a_small_page_and_losses_that_are_no_number_are_drawn_around(plan: Plan) -> None:
    history = rows(1000)
    history[500]["val/loss"] = math.nan
    html = render(plan, history, "running", CALLED, ())
    assert len(html) < 300_000
    assert "The first 500 stand in metrics.csv only" in html
    assert '<th scope="row">501</th>' in html
    assert '<th scope="row">500</th>' not in html
    assert "nan" not in html.split("</style>")[1].lower().replace("finance", "")


def test_every_epoch_leaves_page_and_picture_and_the_folder_says_what_made_it(plan: Plan) -> None:
    listener = RunPage(plan, CALLED)
    listener.begin([])
    assert "the first of 3 epochs is under way" in (plan.folder / FILE_NAME).read_text()
    listener.epoch(rows(1))
    assert (plan.folder / CURVES).read_bytes().startswith(b"\x89PNG")
    assert "Epoch 1 of 3 done" in (plan.folder / FILE_NAME).read_text()
    assert read_sessions(plan.folder)[0].command == CALLED.command
    assert not list(plan.folder.glob(".*partial"))


def test_a_picture_is_not_drawn_at_every_one_of_very_short_epochs(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(page, "write_curves", lambda folder, history: drawn.append(len(history)))
    monkeypatch.setattr(page.time, "monotonic", iter([0.0, 1.0, 2.0, 60.0, 61.0]).__next__)
    listener = RunPage(plan, CALLED)
    for count in (1, 2, 3):
        listener.epoch(rows(count))
    assert drawn == [1, 3]


def test_a_run_that_goes_on_says_each_start_and_a_damaged_list_begins_anew(plan: Plan) -> None:
    RunPage(plan, CALLED).begin([])
    RunPage(plan, CALLED).begin(rows(2))
    assert [session.from_epoch for session in read_sessions(plan.folder)] == [1, 3]
    assert "Started 2 times" in text_of((plan.folder / FILE_NAME).read_text())
    (plan.folder / ORIGIN).write_text("{")
    RunPage(plan, CALLED).begin(rows(2))
    assert [session.from_epoch for session in read_sessions(plan.folder)] == [3]
