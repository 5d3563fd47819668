from __future__ import annotations

import pytest
from tensorboardX.proto.event_pb2 import Event

from glioray.training.plan import Plan
from glioray.training.record import History
from glioray.training.watching.tensorboard import FOLDER, TensorBoard


def rows(count: int) -> History:
    return [
        {"epoch": e, "loss": 1 / e, "val/dice": float("nan"), "rows": 8, "train_s": 2.0, "best_epoch": 1}
        for e in range(1, count + 1)
    ]


def events(plan: Plan) -> list[Event]:
    """Of each record: its length 8 bytes, their checksum 4, the event, its checksum 4."""
    found = []
    for file in sorted((plan.folder / FOLDER).glob("events*")):
        content = file.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def points(plan: Plan, tag: str) -> list[tuple[int, float]]:
    return [
        (event.step, pytest.approx(value.simple_value))
        for event in events(plan)
        for value in event.summary.value
        if value.tag == tag
    ]


def hyperparameters(plan: Plan) -> int:
    starts = [v for event in events(plan) for v in event.summary.value if v.tag == "_hparams_/session_start_info"]
    return len(starts)


def test_every_epoch_is_a_point_of_every_metric(plan: Plan) -> None:
    board = TensorBoard(plan)
    board.begin([])
    board.epoch(rows(1))
    board.epoch(rows(2))
    assert points(plan, "loss") == [(1, 1.0), (2, 0.5)]  # at once, while training goes on
    board.end(rows(2), plan.folder)
    assert points(plan, "images_per_s") == [(1, 4.0), (2, 4.0)]
    assert points(plan, "val/dice") == []
    assert hyperparameters(plan) == 1


def test_a_run_that_goes_on_does_not_double_its_points(plan: Plan) -> None:
    first, second = TensorBoard(plan), TensorBoard(plan)
    first.begin([])
    first.epoch(rows(1))
    second.begin(rows(1))
    second.epoch(rows(2))
    second.end(rows(3), None)
    assert [step for step, _ in points(plan, "loss")] == [1, 2, 3]
    assert hyperparameters(plan) == 1


def test_an_epoch_that_comes_again_replaces_its_point(plan: Plan) -> None:
    board = TensorBoard(plan)
    board.begin([])
    board.epoch(rows(1))
    board.epoch(rows(2))
    board.epoch([rows(1)[0], {**rows(2)[1], "loss": 7.0}])
    assert points(plan, "loss") == [(1, 1.0), (2, 7.0)]
