"""A moving average of the weights, which answers better than the weights of any one update."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """A copy of a model, in eval mode, whose weights and buffers follow those of the model.

    The first updates count more than the decay would let them: else a short run would answer with the weights that it
    began with.

    Sources: Tarvainen 2017, arXiv 1703.01780; the rule for the first updates is that of TensorFlow's
    ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves towards the model's weights, after each of its updates."""
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        moved = [(average, now) for average, now in pairs if average.is_floating_point()]
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_([average for average, _ in moved], [now for _, now in moved], 1 - decay)
        for average, now in pairs:
            if not average.is_floating_point():  # as a count of batches
                average.copy_(now)
        self.updates += 1


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
