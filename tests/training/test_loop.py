from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from glioray.data.prepared import PreparedDataset
from glioray.errors import ModelError
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.training.checkpoints import checkpoints
from glioray.training.epoch import Batch
from glioray.training.loop import fit
from glioray.training.state import MODEL, STATE, TRAINED, read_history
from glioray.training.worker import LocalWorker

Train = Callable[..., Path]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    def run(recipe: Recipe, name: str = "run", kind: type[LocalWorker] = LocalWorker, **options: object) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        data = PreparedDataset.open(Path(recipe.data.path))
        fit(recipe, data, kind(data, folder, recipe.seed, **options))
        return checkpoints(folder)[-1]

    return run


@pytest.fixture
def rich_recipe(slices: PreparedDataset) -> Recipe:
    """A classifier with all at once that an epoch's result may depend on."""
    return Recipe.from_values(
        {
            "task": "classification",
            "data": {"path": str(slices.folder)},
            "model": {"name": "custom_cnn"},
            "optimizer": {"ema_decay": 0.9, "layer_decay": 0.8, "freeze_epochs": 2, "clip_norm": 1.0},
            "schedule": {"warmup_epochs": 1},
            "augmentation": {
                "rotation_degrees": 10,
                "scale": 0.1,
                "gamma": 0.2,
                "noise": 0.1,
                "mixup": 0.4,
                "cutmix": 1,
            },
            "loss": {"label_smoothing": 0.1},
            "budget": {"epochs": 4, "batch_size": 4, "accumulate": 2},
            "precision": "fp32",
        }
    )


@dataclass
class KilledWorker(LocalWorker):
    """Dies after the first batch of an epoch."""

    dies_in: int = 0

    def train_batches(self, epoch: int, batch_size: int, foreground_share: float | None = None) -> Iterator[Batch]:
        for batch in super().train_batches(epoch, batch_size, foreground_share):
            yield batch
            if epoch == self.dies_in:
                raise Killed


class Killed(Exception):
    pass


def losses(checkpoint: Path) -> list[float]:
    return [row["loss"] for row in read_history(checkpoint)]


def test_same_recipe_and_seed_give_the_same_loss_to_the_last_digit(train: Train, unet_recipe: Recipe) -> None:
    assert losses(train(unet_recipe, "one")) == losses(train(unet_recipe, "two"))


def test_another_seed_gives_another_loss(train: Train, unet_recipe: Recipe) -> None:
    assert losses(train(unet_recipe, "one")) != losses(train(unet_recipe.with_values("seed", 1), "two"))


@pytest.mark.parametrize("dies_in", [2, 3])
def test_a_run_killed_and_resumed_equals_an_undisturbed_one_bit_for_bit(
    train: Train, rich_recipe: Recipe, dies_in: int
) -> None:
    with pytest.raises(Killed):
        train(rich_recipe, "killed", KilledWorker, dies_in=dies_in)
    resumed, undisturbed = train(rich_recipe, "killed"), train(rich_recipe, "undisturbed")
    assert losses(resumed) == losses(undisturbed)
    for name in (MODEL, TRAINED):
        weights = load_file(undisturbed / name)
        assert all(torch.equal(tensor, weights[place]) for place, tensor in load_file(resumed / name).items())


def test_weights_from_outside_are_where_a_run_begins_and_not_where_it_goes_on(
    train: Train, unet_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    def start(config: object, model: nn.Module) -> None:
        begun.append(config)
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.5)

    monkeypatch.setattr("glioray.models._contract.start_weights", start)
    still = unet_recipe.with_values("optimizer.learning_rate", 1e-12).with_values("optimizer.ema_decay", 0.9)
    train(still.with_values("budget.epochs", 1))
    weights = load_file(train(still) / MODEL)
    assert begun == [still.model]
    assert all(torch.allclose(tensor, torch.tensor(0.5)) for tensor in weights.values())


def test_held_layers_stay_where_they_began_and_then_learn(train: Train, rich_recipe: Recipe) -> None:
    plain = rich_recipe.with_values("optimizer.ema_decay", None)
    held, thawed = (train(plain.with_values("budget.epochs", epochs), str(epochs)) for epochs in (2, 3))
    before, after = load_file(held / MODEL), load_file(thawed / MODEL)
    old = [name for name in before if not name.startswith("4.")]
    torch.manual_seed(rich_recipe.seed)
    data = PreparedDataset.open(Path(plain.data.path))
    fresh = build_network(plain, data.manifest.contents, data.signature).state_dict()
    assert all(torch.equal(before[name], fresh[name]) for name in old)
    assert not any(torch.equal(before[name], after[name]) for name in old)


def test_what_is_validated_and_kept_is_the_moving_average(train: Train, unet_recipe: Recipe) -> None:
    still = unet_recipe.with_values("optimizer.ema_decay", 0.999999)
    raw, averaged = train(unet_recipe, "raw"), train(still, "averaged")
    one, two = load_file(averaged / MODEL), load_file(averaged / TRAINED)
    assert all(torch.equal(two[name], tensor) for name, tensor in load_file(raw / MODEL).items())
    assert not any(torch.equal(one[name], two[name]) for name in one)
    assert json.loads((averaged / STATE).read_text())["updates"] == 6
    rows = [read_history(checkpoint)[-1] for checkpoint in (raw, averaged)]
    assert rows[0]["loss"] == rows[1]["loss"]
    assert rows[0]["val/loss"] != rows[1]["val/loss"]


def test_classes_are_mixed_where_a_recipe_asks(train: Train, rich_recipe: Recipe) -> None:
    mixed = rich_recipe.with_values("budget.epochs", 1)
    plain = mixed.with_values("augmentation.mix_probability", 0.0)
    assert losses(train(mixed, "mixed")) != losses(train(plain, "plain"))


def test_the_rate_follows_the_updates_within_an_epoch(train: Train, unet_recipe: Recipe) -> None:
    rates = [row["learning_rate"] for row in read_history(train(unet_recipe))]  # at the second of two updates
    expected = [1e-3 * 0.5 * (1 + math.cos(math.pi * done / 3)) for done in (0.5, 1.5, 2.5)]
    assert rates == pytest.approx(expected)


def test_validation_chooses_a_clean_up_but_the_epoch_is_chosen_without(train: Train, unet_recipe: Recipe) -> None:
    row = read_history(train(unet_recipe.with_values("answer.smallest_part_px", [4, 500])))[-1]
    scores = {size: row[f"val/dice@{size}"] for size in (0, 4, 500)}
    assert row["score"] == scores[0]
    assert row["val/dice"] == max(scores.values()) == scores[int(row["val/smallest_part_px"])]


def test_a_compiled_network_keeps_its_names(train: Train, unet_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    compile_eagerly = partial(torch.compile, backend=lambda graph, inputs: calls.append(graph) or graph)
    monkeypatch.setattr("glioray.training.compiling.require_compiler", lambda device: None)
    monkeypatch.setattr("glioray.training.loop.require_compiler", lambda device: None)
    monkeypatch.setattr(torch, "compile", compile_eagerly)
    plain, compiled = train(unet_recipe, "plain"), train(unet_recipe.with_values("compile", True), "compiled")
    assert calls
    assert load_file(plain / MODEL).keys() == load_file(compiled / MODEL).keys()
    assert losses(plain) == pytest.approx(losses(compiled))


def test_patience_ends_a_run_that_does_not_get_better(train: Train, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("optimizer.learning_rate", 1e-12).with_values("budget.patience", 1)
    assert len(losses(train(recipe.with_values("budget.epochs", 50)))) == 2


def test_a_loss_that_is_not_a_number_names_the_setting_to_lower(train: Train, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("optimizer.name", "sgd").with_values("optimizer.learning_rate", 1.0)
    recipe = recipe.with_values("loss.bce_weight", 100).with_values("optimizer.weight_decay", 1)
    recipe = recipe.with_values("optimizer.decay_all", True)
    with pytest.raises(ModelError, match="lower optimizer.learning_rate"):
        train(recipe.with_values("budget.epochs", 200).with_values("budget.batch_size", 1))


def test_training_lowers_the_loss(train: Train, unet_recipe: Recipe) -> None:
    recipe = unet_recipe.with_values("optimizer.learning_rate", 1e-2).with_values("budget.epochs", 25)
    history = losses(train(recipe))
    assert history[-1] < 0.8 * history[0]
