from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from glioray.errors import BundleError
from glioray.recipe import Optimizer
from glioray.training.average import MovingAverage
from glioray.training.checkpoints import damage
from glioray.training.optimizer import build_optimizer
from glioray.training.state import OPTIMIZER, TrainState


@pytest.fixture
def state() -> TrainState:
    model = nn.Linear(3, 2)
    return TrainState(model, build_optimizer(model, Optimizer()))


def test_the_best_epoch_is_the_earliest_of_equals(state: TrainState) -> None:
    bests = [state.add({"score": score})["best_epoch"] for score in (0.2, 0.5, 0.5, 0.4)]
    assert bests == [1, 2, 2, 2]


def test_a_score_that_is_not_a_number_is_worse_than_any(state: TrainState) -> None:
    bests = [state.add({"score": score})["best_epoch"] for score in (math.nan, 0.0, math.nan)]
    assert bests == [1, 2, 2]


def test_saved_equals_loaded(state: TrainState, tmp_path: Path) -> None:
    state.model(torch.ones(1, 3)).sum().backward()
    state.optimizer.step()
    state.add({"score": 0.3})
    state.save(tmp_path)
    model = nn.Linear(3, 2)
    other = TrainState(model, build_optimizer(model, Optimizer()))
    other.load(tmp_path)
    assert torch.equal(other.model.weight, state.model.weight)
    assert other.history == state.history
    moments = state.optimizer.state_dict()["state"][0]["exp_avg"]
    assert torch.equal(other.optimizer.state_dict()["state"][0]["exp_avg"], moments)


def test_what_is_saved_can_be_checked(state: TrainState, tmp_path: Path) -> None:
    state.save(tmp_path)
    assert damage(tmp_path) is None
    (tmp_path / OPTIMIZER).write_bytes((tmp_path / OPTIMIZER).read_bytes()[:-1])
    assert damage(tmp_path) == f"{OPTIMIZER} is not what was written"


def test_an_average_is_saved_beside_what_learns(tmp_path: Path) -> None:
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = nn.Linear(3, 2)
        states.append(TrainState(model, build_optimizer(model, Optimizer()), MovingAverage(model, 0.5)))
    one, two = states
    nn.init.zeros_(one.model.weight)
    one.average.update(one.model)
    one.add({"score": 0.3})
    one.save(tmp_path)
    two.load(tmp_path)
    assert torch.equal(two.model.weight, one.model.weight)
    assert torch.equal(two.answering.weight, one.average.model.weight)
    assert two.average.updates == 1


def test_a_damaged_checkpoint_is_refused(state: TrainState, tmp_path: Path) -> None:
    state.add({"score": 0.3})
    state.save(tmp_path)
    (tmp_path / OPTIMIZER).write_bytes(b"PK\x03\x04 no longer a file")
    with pytest.raises(BundleError, match="a damaged checkpoint"):
        state.load(tmp_path)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


def test_a_checkpoint_that_runs_code_is_refused_and_does_not(state: TrainState, tmp_path: Path) -> None:
    state.add({"score": 0.3})
    state.save(tmp_path)
    torch.save({"state": Touch(tmp_path / "ran")}, tmp_path / OPTIMIZER)
    with pytest.raises(BundleError, match="a damaged checkpoint"):
        state.load(tmp_path)
    assert not (tmp_path / "ran").exists()
