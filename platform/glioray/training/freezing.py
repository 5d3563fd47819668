"""Layers that do not learn in the first epochs, so that new ones beside them do not spoil what they know.

Source: Howard 2018, arXiv 1801.06146, of which only the first step: the new layers alone, then all.
"""

from __future__ import annotations

from torch import nn

from glioray.models._layers import layers


class Freezer:
    """Holds all layers of a model but the last where they are, up to an epoch."""

    def __init__(self, model: nn.Module, epochs: int) -> None:
        """Remembers what would learn; `epochs` of 0 freezes nothing."""
        old = {name for layer in layers(model)[:-1] for name in layer} if epochs else set()
        self.epochs = epochs
        self._model = model
        self._old = [value for name, value in model.named_parameters() if name in old and value.requires_grad]

    def is_on(self, epoch: int) -> bool:
        """Whether the old layers are held in an epoch, counted from 1."""
        return epoch <= self.epochs

    def ends_before(self, epoch: int) -> bool:
        """Whether the old layers learn from this epoch on, and did not before."""
        return self.epochs > 0 and epoch == self.epochs + 1

    def begin(self, epoch: int) -> None:
        """Train mode, in which what is held neither learns nor, as BatchNorm, adapts to what it sees."""
        is_on = self.is_on(epoch)
        self._model.train()
        for parameter in self._old:
            parameter.requires_grad_(not is_on)
        held = {id(parameter) for parameter in self._old} if is_on else set()
        for module in self._model.modules():
            own = [id(parameter) for parameter in module.parameters(recurse=False)]
            if own and held.issuperset(own):
                module.eval()
