from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.training.average import MovingAverage


def weight(value: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def test_the_first_updates_count_more_than_the_decay_lets_them() -> None:
    model = weight(0.0)
    average = MovingAverage(model, decay=0.9)
    expected = 0.0
    for update in range(200):
        nn.init.constant_(model.weight, float(update))
        average.update(model)
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update
    assert float(average.model.weight) == pytest.approx(expected, rel=1e-5)
    assert average.updates == 200


def test_running_figures_are_averaged_and_counts_are_taken_over() -> None:
    model = nn.BatchNorm1d(2)
    average = MovingAverage(model, decay=0.5)
    model(torch.full((4, 2), 10.0))
    average.update(model)
    assert average.model.running_mean.tolist() == pytest.approx([0.9, 0.9])  # 0.9 of the first update's 1.0
    assert average.model.num_batches_tracked == 1


def test_an_average_learns_nothing_itself_and_leaves_the_model_as_it_is() -> None:
    model = weight(2.0).train()
    average = MovingAverage(model, decay=0.5)
    average.update(model)
    assert model.training
    assert model.weight.requires_grad
    assert not average.model.training
    assert not average.model.weight.requires_grad
