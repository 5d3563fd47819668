from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from glioray.data.augmentation import Augmentation
from glioray.data.manifest import Normalization
from glioray.tasks.classification import Classification
from glioray.training.epoch import Pass, train_epoch, validate

OFF = Augmentation(horizontal_flip=0, rotation_degrees=0)


@pytest.fixture
def settings() -> Pass:
    return Pass(Classification(("a", "b")), Normalization(mean=(127.5,), std=(127.5,)), torch.device("cpu"), None, OFF)


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


def batch(*labels: int) -> dict[str, torch.Tensor]:
    """Class 0 is black, class 1 is white."""
    images = torch.stack([torch.full((1, 8, 8), 255 * label, dtype=torch.uint8) for label in labels])
    return {"image": images, "label": torch.tensor(labels)}


def test_an_epoch_sums_the_loss_over_rows_and_counts_them(settings: Pass, model: nn.Module) -> None:
    batches = [batch(0, 1, 1), batch(0)]
    expected = sum(
        float(settings.task.loss(model(settings_input(one)), one).detach()) * len(one["label"]) for one in batches
    )
    loss, rows = train_epoch(model, torch.optim.SGD(model.parameters(), lr=1e-12), batches, settings).tolist()
    assert rows == 4
    assert loss == pytest.approx(expected, rel=1e-5)


def test_an_epoch_moves_the_weights_against_the_gradient(settings: Pass, model: nn.Module) -> None:
    before = validate(model, [batch(0, 1)], settings)["loss"]
    train_epoch(model, torch.optim.SGD(model.parameters(), lr=0.01), [batch(0, 1)] * 5, settings)
    assert validate(model, [batch(0, 1)], settings)["loss"] < before


def test_a_gradient_longer_than_asked_is_shortened(settings: Pass, model: nn.Module) -> None:
    before = model[1].weight.detach().clone()
    short = replace(settings, clip_norm=0.001)
    train_epoch(model, torch.optim.SGD(model.parameters(), lr=1.0), [batch(0, 1)], short)
    assert 0 < (model[1].weight - before).norm() <= 0.001 + 1e-6


def test_validation_does_not_depend_on_how_rows_are_batched(settings: Pass, model: nn.Module) -> None:
    together = validate(model, [batch(0, 1, 1, 0, 1)], settings)
    apart = validate(model, [batch(0, 1), batch(1), batch(0, 1)], settings)
    assert torch.equal(together["confusion"], apart["confusion"])
    assert torch.allclose(together["loss"], apart["loss"], rtol=1e-6)


def test_validation_without_rows_gives_counts_that_can_be_added(settings: Pass, model: nn.Module) -> None:
    counts = validate(model, [], settings)
    assert counts["rows"] == 0
    assert counts["confusion"].shape == (2, 2)
    counts["loss"] += 1  # as a reduction in place does
    assert counts["rows"] == 0


def test_dropout_is_on_in_training_and_off_in_validation(settings: Pass) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 2))
    train_epoch(model, torch.optim.SGD(model.parameters(), lr=1e-12), [batch(0, 1)], settings)
    assert model.training
    validate(model, [batch(0, 1)], settings)
    assert not model.training


def settings_input(one: dict[str, torch.Tensor]) -> torch.Tensor:
    return (one["image"].float() - 127.5) / 127.5
