"""Layers that do not learn in the first epochs, so that new ones beside them do not spoil what they know.

Source: Howard 2018, arXiv 1801.06146, of which only the first step: the new layers alone, then all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from glioray.models._layers import layers


class Freezer:
    """Holds all layers of a model but the last where they are, up to an epoch."""

    def __init__(self, model: nn.Module, epochs: int) -> None:
        """Remembers what would learn; `epochs` of 0 freezes nothing."""
        new = set(layers(model)[-1]) if epochs else {name for name, _ in model.named_parameters()}
        self.epochs = epochs
        self._model = model
        self._old = [value for name, value in model.named_parameters() if name not in new and value.requires_grad]
        self._new = {id(value) for name, value in model.named_parameters() if name in new}
        self._hooks: list[RemovableHandle] = []

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
        while self._hooks:
            self._hooks.pop().remove()
        if is_on:
            for norm in _adapting(self._model, self._new):
                norm.training = False  # not `eval()`: what is inside of it, as dropout, stays on
            self._hooks = [norm.register_forward_pre_hook(_with_gradient) for norm in _group_norms(self._model)]


def _adapting(model: nn.Module, new: set[int]) -> Iterator[nn.Module]:
    """Norms with running figures whose parameters are old; those without parameters up to the first new layer."""
    is_before = True
    for module in model.modules():
        own = {id(parameter) for parameter in module.parameters()}
        is_before = is_before and not (own and own <= new)
        is_old = own.isdisjoint(new) if own else is_before
        if is_old and getattr(module, "running_var", None) is not None:
            yield module


def _group_norms(model: nn.Module) -> list[nn.Module]:
    """Those that learn."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.GroupNorm) and any(parameter.requires_grad for parameter in module.parameters())
    ]


def _with_gradient(_norm: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Asks for the gradient of an image that comes from held layers.

    On a CPU, where the channels are last, torch's GroupNorm ends the process in a backward pass without it.
    """
    image: Tensor = inputs[0]
    if image.requires_grad or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    return (image.detach().requires_grad_(), *inputs[1:])
