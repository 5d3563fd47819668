"""What a run has come to: weights, optimizer, epoch, history; saved and read back without pickle.

Random states are not in it: every epoch seeds its own from (seed, epoch, rank), so that an epoch that is run again
after a kill is the same epoch.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from glioray.errors import BundleError, SchemaError
from glioray.recipe import Recipe
from glioray.schema import FIELD, FIRST, require_version
from glioray.training.average import MovingAverage
from glioray.training.checkpoints import full_disk_told, seal

MODEL, TRAINED = "model.safetensors", "trained.safetensors"  # what answers; what learns, where that is another
OPTIMIZER, STATE = "optimizer.pt", "state.json"
SCHEMA_VERSION = 1


@dataclass
class TrainState:
    """Everything that the next epoch depends on; `history` has one row of metrics an epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: MovingAverage | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def answering(self) -> nn.Module:
        """The network that is validated and kept: the moving average where the recipe has one."""
        return self.model if self.average is None else self.average.model

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch of the highest score, the earliest of equals; 0 before the first."""
        return int(self.history[-1]["best_epoch"]) if self.history else 0

    def add(self, metrics: dict[str, float]) -> dict[str, float]:
        """Ends an epoch; gives its row, with `epoch` and `best_epoch` filled in.

        A score that is not a number, as of a val side that shows no label, is worse than every number.
        """
        epoch = self.epoch + 1
        best = self.history[self.best_epoch - 1]["score"] if self.history else -math.inf
        score = -math.inf if math.isnan(metrics["score"]) else metrics["score"]
        is_best = not self.history or score > best
        row = {"epoch": epoch, **metrics, "score": score, "best_epoch": epoch if is_best else self.best_epoch}
        self.history.append(row)
        return row

    def is_over(self, recipe: Recipe) -> bool:
        """Whether the budget is spent or the patience lost."""
        patience = recipe.budget.patience
        waited = self.epoch - self.best_epoch
        return self.epoch >= recipe.budget.epochs or (patience is not None and waited >= patience)

    def save(self, folder: Path) -> None:
        """Writes its files into an empty folder, the hashes of all others last.

        Raises:
            FullDiskError: there is no room for it.
        """
        optimizer = io.BytesIO()  # to a file torch hides why it could not be written
        torch.save(self.optimizer.state_dict(), optimizer)
        updates = {} if self.average is None else {"updates": self.average.updates}
        with full_disk_told(folder):
            (folder / MODEL).write_bytes(safetensors.torch.save(contiguous_weights(self.answering)))
            if self.average is not None:
                (folder / TRAINED).write_bytes(safetensors.torch.save(contiguous_weights(self.model)))
            (folder / OPTIMIZER).write_bytes(optimizer.getbuffer())
            (folder / STATE).write_text(json.dumps({FIELD: SCHEMA_VERSION, "history": self.history, **updates}) + "\n")
            seal(folder)

    def load(self, folder: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            BundleError: the checkpoint is damaged.
            SchemaError: another version of glioray wrote it.
        """
        try:
            self.answering.load_state_dict(safetensors.torch.load_file(folder / MODEL))
            if self.average is not None:
                self.model.load_state_dict(safetensors.torch.load_file(folder / TRAINED))
                self.average.updates = int(_read_state(folder)["updates"])
            self.optimizer.load_state_dict(torch.load(folder / OPTIMIZER, weights_only=True, map_location="cpu"))
            self.history = read_history(folder)
        except SchemaError:
            raise
        except Exception as error:
            raise BundleError(f"{folder}: a damaged checkpoint ({error}); begin again under another --name") from error


def read_history(folder: Path) -> list[dict[str, float]]:
    """One row of metrics an epoch, from a checkpoint."""
    history: list[dict[str, float]] = _read_state(folder)["history"]
    return history


def contiguous_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """All parameters and buffers as safetensors can hold them: on the CPU, in row-major order."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}


def _read_state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / STATE).read_text())
    require_version(state, SCHEMA_VERSION, f"{folder}: checkpoint", "begin again under another --name.", unnamed=FIRST)
    return state
