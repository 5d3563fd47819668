"""Trained runs as folders, and predictors that answer by the seed of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glioray.data.prepared import PreparedDataset
from glioray.evaluation.comparing.contenders import Contender, contenders
from glioray.serving.predictor import Predictor

Named = Callable[..., tuple[Contender, ...]]


@pytest.fixture
def run(make_bundle, tmp_path) -> Callable[..., str]:
    """`run(data, seed, fold)`: a run's folder; runs of different seeds have different weights."""

    def make(data: Path, seed: int = 0, fold: int | None = None, **changes: object) -> str:
        bundle = make_bundle(PreparedDataset.open(data, fold), data__fold=fold, data__path=str(data), seed=seed)
        weights = {name: tensor + seed for name, tensor in bundle.weights.items()}
        config = bundle.config.model_copy(update=changes)
        folder = tmp_path / f"run-{seed}" if fold is None else tmp_path / f"run-{seed}-fold-{fold}"
        replace(bundle, weights=weights, config=config).save(folder / "bundle")
        return str(folder)

    return make


@pytest.fixture
def named(tmp_path) -> Named:
    """`named(REFERENCE, ...)`: the models of a comparison."""

    def find(*references: str, data: str | None = None, side: str = "test") -> tuple[Contender, ...]:
        return contenders(references, data, str(tmp_path / "registry"), side)

    return find


@pytest.fixture
def answer_by_seed(monkeypatch, answer_with) -> Callable[[dict[int, Callable[[torch.Tensor], torch.Tensor]]], None]:
    """Lets the model of each seed answer by a function of the images (N,C,S,S); counts how many images it saw."""

    def answer(functions: dict[int, Callable[[torch.Tensor], torch.Tensor]]) -> None:
        answer_with(lambda images: images)
        monkeypatch.setattr(Predictor, "predict", lambda self, images: functions[self.config.seed](images))
        monkeypatch.setattr(Predictor, "classified", classified)

    def classified(self: Predictor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities = self.predict(images)
        return probabilities, probabilities.log()

    return answer


@pytest.fixture
def masks() -> list[np.ndarray]:
    """Four slices of 16 px with a growing tumor of two labels."""
    found = [np.zeros((16, 16), dtype=np.uint8) for _ in range(4)]
    for index, mask in enumerate(found):
        mask[2 : 6 + index, 3:9] = 1 + 3 * (index % 2)
    return found


def outlined(shift_px: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The true masks, moved aside."""

    def answer(images: torch.Tensor) -> torch.Tensor:
        moved = images[:, 0].roll(shift_px, dims=2)
        return torch.stack([moved == 1, moved == 4], dim=1).float()

    return answer


def said(*classes: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Of the class of label k, whose pixels are 10 k, the class `classes[k]` with probability 0.8."""

    def answer(images: torch.Tensor) -> torch.Tensor:
        chosen = torch.tensor(classes)[images[:, 0, 0, 0].long() // 10]
        return torch.nn.functional.one_hot(chosen, 3) * 0.7 + 0.1

    return answer
