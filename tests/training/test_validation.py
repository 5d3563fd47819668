from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from glioray.data.augmentation import Augmentation
from glioray.data.prepared import PreparedDataset
from glioray.recipe import Optimizer, Recipe
from glioray.tasks._contract import Counts
from glioray.tasks.segmentation import Segmentation
from glioray.training.average import MovingAverage
from glioray.training.epoch import Pass
from glioray.training.optimizer import build_optimizer
from glioray.training.state import TrainState
from glioray.training.validation import validated
from glioray.training.worker import LocalWorker


class Cleaned(Segmentation):
    """Counts as it does, and finds a clean-up better than none."""

    def metrics(self, counts: Counts) -> dict[str, float]:
        return {**super().metrics(counts), "dice": 0.7, "dice@0": 0.5, "dice@20": 0.7}


@dataclass
class OneOfTwo(LocalWorker):
    """The other worker has the same rows, and 3 in each of its buffers."""

    world_size: int = 2

    def sum(self, values: Tensor) -> Tensor:
        return values + (values if values.dtype == torch.float64 else 3)


@pytest.fixture
def state() -> TrainState:
    model = nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3))
    return TrainState(model, build_optimizer(model, Optimizer()), MovingAverage(model, 0.9))


@pytest.fixture
def settings(volumes: PreparedDataset) -> Pass:
    contents = volumes.manifest.contents
    task = Segmentation(contents.labels, contents.regions, len(volumes.split.patients))
    return Pass(task, volumes.manifest.normalization, torch.device("cpu"), None, Augmentation())


def test_the_epoch_is_chosen_by_the_score_without_clean_up(
    state: TrainState, settings: Pass, unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    worker = LocalWorker(volumes, tmp_path, seed=0)
    task = Cleaned(settings.task.labels, settings.task.regions, settings.task.num_patients)
    row = validated(unet_recipe, worker, state, replace(settings, task=task))
    assert (row["score"], row["val/dice"], row["val/dice@20"]) == (0.5, 0.7, 0.7)


def test_running_figures_become_those_of_all_workers(
    state: TrainState, settings: Pass, unet_recipe: Recipe, volumes: PreparedDataset, tmp_path: Path
) -> None:
    nn.init.constant_(state.model[1].running_mean, 1)
    alone = validated(unet_recipe, LocalWorker(volumes, tmp_path, seed=0), state, settings)
    together = validated(unet_recipe, OneOfTwo(volumes, tmp_path, seed=0), state, settings)
    assert state.model[1].running_mean.tolist() == [2, 2, 2]
    assert state.answering[1].running_mean.tolist() == [1.5, 1.5, 1.5]
    assert alone["val/loss"] != together["val/loss"]
