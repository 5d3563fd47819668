"""The rule of the weight updates: which parameters decay, and how fast each of them learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from glioray.models._layers import layers
from glioray.recipe import Optimizer

FUSED_ON = ("cpu", "cuda")  # one kernel for all parameters in the place of ten for each


def build_optimizer(model: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """The optimizer that a recipe names, over every parameter of the model once."""
    groups, rate = parameter_groups(model, settings), settings.learning_rate
    is_fused = next(model.parameters()).device.type in FUSED_ON
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True, fused=is_fused)
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate, fused=is_fused)


def parameter_groups(model: nn.Module, settings: Optimizer) -> list[dict[str, Any]]:
    """Parameters that are treated alike, each group with its `weight_decay`, and `lr_scale`, a factor of the rate.

    Sources: norms and biases without decay, He 2019, arXiv 1812.01187; layers, Bao 2022, arXiv 2106.08254.
    """
    scales = _rate_scales(model, settings.layer_decay)
    spared = set[str]() if settings.decay_all else _without_decay(model)
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        scale, decay = scales.get(name, 1.0), 0.0 if name in spared else settings.weight_decay
        group = groups.setdefault((scale, decay), {"params": [], "weight_decay": decay, "lr_scale": scale})
        group["params"].append(parameter)
    return list(groups.values())


def _rate_scales(model: nn.Module, layer_decay: float | None) -> dict[str, float]:
    """By name: 1 in the last layer, and by one more factor less in each layer before it."""
    if layer_decay is None:
        return {}
    nearest_last = reversed(layers(model))
    return {name: layer_decay**distance for distance, layer in enumerate(nearest_last) for name in layer}


def _without_decay(model: nn.Module) -> set[str]:
    """Norms, biases, and what a network of timm names itself, as positions and class tokens."""
    named = {name for name, parameter in model.named_parameters() if parameter.ndim <= 1}
    for place, module in model.named_modules():
        if callable(own := getattr(module, "no_weight_decay", None)):
            named |= {f"{place}.{name}" if place else name for name in own()}
    return named
