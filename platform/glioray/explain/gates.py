"""What the gates of a U-Net do: how open each is, where, whether it can still learn, and the answer without it.

Any network is asked whose gates end in a sigmoid with one channel; what goes on before that sigmoid is known of
`models._blocks.Gate` alone.

Source: Oktay 2018, "Attention U-Net", arXiv 1804.03999. Replacing a part by its mean: Nauta 2023, "From Anecdotal
Evidence to Quantitative Evaluation Methods", arXiv 2201.08164, section 6.1 (ablation).

Shapes: B images, N images of all batches, h x w cells of a gate, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glioray.models._blocks import Gate
from glioray.models._maps import as_it_answers, maps

SHUT, OPEN = 0.02, 0.98  # beyond them a sigmoid passes less than 2 % of the gradient


@dataclass(frozen=True)
class GateFigures:
    """One gate over many images, all in [0, 1] but for the norm.

    `spread` is the standard deviation over the cells of an image, the mean over images: 0 is a gate that says the same
    everywhere. `inside` and `outside` are means over cells by the share of the mask in them; NaN without a mask.
    """

    size_px: int
    mean: float
    spread: float
    lowest: float
    highest: float
    saturated: float
    """share of cells below `SHUT` or above `OPEN`"""
    inside: float
    outside: float
    dead: float
    """share of the channels behind its ReLU that are 0 in every cell of every image; NaN of a gate not ours"""
    weight_norm: float
    """of the 1x1 convolution before the sigmoid; NaN of a gate not ours"""


def gate_names(model: nn.Module, images: Tensor) -> list[str]:
    """Names of its gates in the order in which they are computed, the lowest level first; none of a network without.

    Args:
        model: on the device of the images.
        images: (B,C,S,S), as the network takes them.
    """
    return list(maps(model, images, of=["gates"]))


def gate_figures(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor | None]]) -> dict[str, GateFigures]:
    """The figures of each gate, by its name, the lowest level first.

    Args:
        model: on the device of the images; it is asked as it answers.
        batches: of at least one batch, images (B,C,S,S) as the network takes them, and where a mask is (B,S,S) bool.
    """
    found: dict[str, list[Tensor]] = {}
    masks: list[Tensor] = []
    with _watched(model) as alive:
        for images, mask in batches:
            for name, values in maps(model, images, of=["gates"]).items():
                found.setdefault(name, []).append(values[:, 0].float().cpu())
            masks += [] if mask is None else [mask.float().cpu()]
    mask = torch.cat(masks) if masks else None
    return {name: _figures(model, name, torch.cat(parts), mask, alive) for name, parts in found.items()}


@contextmanager
def replaced_gates(model: nn.Module, values: Mapping[str, float]) -> Iterator[None]:
    """Within it each gate named lets the same share through everywhere, whatever the image.

    Args:
        model: asked by this thread alone meanwhile.
        values: by the name of a gate: its mean takes from it what it says of places, 0 takes the skip away.
    """
    with ExitStack() as stack:
        for name, value in values.items():
            stack.enter_context(model.get_submodule(name).register_forward_hook(_constant(value)))
        yield


def gradient_norms(model: nn.Module, loss: Tensor, names: Iterable[str]) -> dict[str, float]:
    """Length of the gradient of a loss over the parameters of each gate, by its name; of all parameters under `all`.

    Args:
        model: of which the loss was computed, its graph still there.
        loss: a scalar.
        names: of the gates; one that is no `Gate` of ours is left out.
    """
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
    by_name = dict(zip(parameters, gradients, strict=True))
    places = {name: f"{_place(name)}." for name in names if _gate(model, name) is not None}
    own = {name: [of for parameter, of in by_name.items() if parameter.startswith(at)] for name, at in places.items()}
    return {name: _length(parts) for name, parts in (own | {"all": list(gradients)}).items()}


def _figures(
    model: nn.Module, name: str, cells: Tensor, mask: Tensor | None, alive: Mapping[str, Tensor]
) -> GateFigures:
    gate = _gate(model, name)
    inside, outside = torch.nan, torch.nan
    if mask is not None:
        share = F.adaptive_avg_pool2d(mask[:, None], (cells.shape[1], cells.shape[2]))[:, 0]
        inside, outside = (float((cells * part).sum() / part.sum()) for part in (share, 1 - share))
    return GateFigures(
        size_px=cells.shape[-1],
        mean=float(cells.mean()),
        spread=float(cells.flatten(1).std(1, correction=0).mean()),
        lowest=float(cells.min()),
        highest=float(cells.max()),
        saturated=float(((cells < SHUT) | (cells > OPEN)).float().mean()),
        inside=inside,
        outside=outside,
        dead=torch.nan if gate is None else float((~alive[name]).float().mean()),
        weight_norm=torch.nan if gate is None else float(torch.linalg.vector_norm(gate.weigh.weight.detach())),
    )


@contextmanager
def _watched(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """By the name of a gate of ours, which channels behind its ReLU were above 0 anywhere so far."""
    alive: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            now = (inputs[0] > 0).flatten(2).any(2).any(0).cpu()
            alive[name] = now | alive[name] if name in alive else now

        return hook

    with ExitStack() as stack:
        stack.enter_context(as_it_answers(model))
        for place, module in model.named_modules():
            if isinstance(module, Gate):
                stack.enter_context(module.weigh.register_forward_pre_hook(watch(f"{place}.sigmoid")))
        yield alive


def _constant(value: float) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return torch.full_like(output, value)

    return hook


def _gate(model: nn.Module, name: str) -> Gate | None:
    module = model.get_submodule(_place(name))
    return module if isinstance(module, Gate) else None


def _place(name: str) -> str:
    """Of the module that a sigmoid belongs to."""
    return name.rpartition(".")[0]


def _length(gradients: Iterable[Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part) for part in gradients])))
