"""What a network sees inside: feature maps, attention gates and attention, asked for with hooks.

Any network can be asked; it is afterwards exactly what it was. Layers are named as in `named_modules`.

Shapes: B images, C channels, H x W pixels, N tokens, h heads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from glioray.models._attention import FUSED_FLAG

Kind = Literal["features", "gates", "attention"]
Reading = Callable[[Tensor], Tensor | None]
ENCODER = "encoder"  # of networks that consist of one and of what reads its features
SOFTMAX_DROPOUT = "attn_drop"  # timm's: what comes right after the softmax


def maps(
    model: nn.Module, images: Tensor, of: Collection[Kind] = ("features", "gates", "attention")
) -> dict[str, Tensor]:
    """Maps of the inside of a network by the names of its layers, in the order in which they are computed.

    A layer that is computed several times in one pass gives its last map.

    Args:
        model: on the device of the images; it is asked as it answers, without dropout.
        images: (B,C,H,W), as the network takes them.
        of: features are the outputs (B,C,H,W) of its blocks, tokens put back in their places; gates the maps (B,1,H,W)
            in [0, 1] that a sigmoid gives; attention the softmax (B,h,N,N), whose rows sum to 1. A network that has
            none of a kind gives none.
    """
    found: dict[str, Tensor] = {}
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(as_it_answers(model))
        for name, module, reading in _asked(model, of):
            stack.enter_context(module.register_forward_hook(_keep(found, name, reading)))
        model(images)
    return found


def _asked(model: nn.Module, of: Collection[Kind]) -> Iterator[tuple[str, nn.Module, Reading]]:
    if "features" in of:
        as_map = feature_reading(model)
        yield from ((name, block, as_map) for name, block in blocks(model))
    for name, module in model.named_modules():
        if "gates" in of and isinstance(module, nn.Sigmoid):
            yield name, module, _gate
        if "attention" in of and name.rpartition(".")[2] == SOFTMAX_DROPOUT:
            yield name, module, _attention


def blocks(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The parts that a person would draw: lists of blocks, encoders and wrappers are looked into, blocks are not.

    A sequence without weights is what folding leaves of a BatchNorm with its activation: a part as it was before.
    """
    children = list(module.named_children())
    is_wrapper = len(children) == 1 and name in ("", ENCODER)
    for child_name, child in children:
        path = f"{name}.{child_name}" if name else child_name
        if is_wrapper or path == ENCODER or _is_list(child):
            yield from blocks(child, path)
        elif _has_weights(child) or (isinstance(child, nn.Sequential) and len(child)):
            yield path, child


def _is_list(module: nn.Module) -> bool:
    if isinstance(module, nn.ModuleList | nn.ModuleDict):
        return True
    parts = [part for part in module.children() if _has_weights(part)]
    return isinstance(module, nn.Sequential) and bool(parts) and all(any(part.children()) for part in parts)


def has_attention(block: nn.Module) -> bool:
    """Whether an attention is in it that can be looked at."""
    return any(name.rpartition(".")[2] == SOFTMAX_DROPOUT for name, _ in block.named_modules())


def num_prefix_tokens(model: nn.Module) -> int:
    """How many tokens stand before those of the patches; 0 where there are none, or no tokens at all."""
    return max(getattr(module, "num_prefix_tokens", 0) for module in model.modules())


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _keep(found: dict[str, Tensor], name: str, reading: Reading) -> Callable[[nn.Module, Any, Any], None]:
    asker = threading.get_ident()

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if threading.get_ident() != asker:  # another one asks the same network for an answer
            return
        value = reading(output) if isinstance(output, Tensor) else None
        if value is not None:
            found[name] = value.clone()  # what comes next may write into it

    return hook


def feature_reading(model: nn.Module) -> Reading:
    """How an output of this network becomes (B,C,H,W); nothing where it is no map."""
    prefix = num_prefix_tokens(model)
    channels_are_last = any(getattr(module, "output_fmt", None) == "NHWC" for module in model.modules())

    def read(output: Tensor) -> Tensor | None:
        if output.ndim == 4:
            return output.permute(0, 3, 1, 2) if channels_are_last else output
        side = math.isqrt(max(output.shape[1] - prefix, 0)) if output.ndim == 3 else 0
        if not side or side**2 != output.shape[1] - prefix:
            return None
        return output[:, prefix:].transpose(1, 2).reshape(len(output), -1, side, side)

    return read


def _gate(output: Tensor) -> Tensor | None:
    return output if output.ndim == 4 and output.shape[1] == 1 else None


def _attention(output: Tensor) -> Tensor | None:
    return output if output.ndim == 4 and output.shape[2] == output.shape[3] else None


@contextmanager
def as_it_answers(model: nn.Module) -> Iterator[None]:
    """In eval mode and with attention that can be seen; both are put back, module by module."""
    modes = {module: module.training for module in model.modules()}
    flags = {module: getattr(module, FUSED_FLAG) for module in modes if hasattr(module, FUSED_FLAG)}
    try:
        model.eval()
        for module in flags:
            setattr(module, FUSED_FLAG, False)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for module, flag in flags.items():
            setattr(module, FUSED_FLAG, flag)
