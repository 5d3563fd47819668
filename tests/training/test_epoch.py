from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from glioray.data.augmentation import Augmentation
from glioray.data.manifest import Normalization
from glioray.data.preprocessing import normalize
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


def test_a_batch_in_portions_is_one_update_of_the_same_weights(settings: Pass, model: nn.Module) -> None:
    other = copy.deepcopy(model)
    for net, portions in ((model, 1), (other, 2)):
        rule = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        sums = train_epoch(net, rule, [batch(0, 1, 1, 1), batch(0, 0, 1, 1)], replace(settings, accumulate=portions))
        assert sums[1] == 8
    assert torch.allclose(other[1].weight, model[1].weight, rtol=1e-5)


def test_gradients_are_exchanged_once_a_batch(settings: Pass) -> None:
    class Replica(nn.Sequential):
        held = 0

        @contextlib.contextmanager
        def no_sync(self) -> Iterator[None]:
            self.held += 1
            yield

    replica = Replica(nn.Flatten(), nn.Linear(64, 2))
    rule = torch.optim.SGD(replica.parameters(), lr=0.01)
    train_epoch(replica, rule, [batch(0, 1, 1)] * 2, replace(settings, accumulate=3))
    assert replica.held == 4


def test_the_caller_is_told_before_and_after_each_update(settings: Pass, model: nn.Module) -> None:
    told: list[object] = []
    rule = torch.optim.SGD(model.parameters(), lr=0.01)
    train_epoch(model, rule, [batch(0, 1), batch(1)], settings, told.append, lambda rows, loss: told.append((rows,)))
    assert told == [0, (2,), 1, (3,)]


def test_images_with_classes_are_mixed_and_others_are_not(settings: Pass) -> None:
    mixing = replace(settings, augmentation=OFF.model_copy(update={"mixup": 1.0}))
    assert "soft_label" in replace(mixing, num_classes=2).changed(batch(0, 1))
    assert "soft_label" not in mixing.changed(batch(0, 1))


def test_normalized_images_are_in_the_order_that_convolutions_like(settings: Pass) -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    three = replace(settings, normalization=Normalization(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)))
    inputs = three.logits(nn.Identity(), pixels)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(inputs, normalize(pixels, three.normalization))


def test_dropout_is_off_in_validation(settings: Pass) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 2))
    validate(model, [batch(0, 1)], settings)
    assert not model.training


def settings_input(one: dict[str, torch.Tensor]) -> torch.Tensor:
    return (one["image"].float() - 127.5) / 127.5
