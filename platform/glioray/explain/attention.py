"""Attention rollout: which patches the answer of a Vision Transformer was mixed from.

Source: Abnar 2020, "Quantifying Attention Flow in Transformers", arXiv 2005.00928, section 3: heads are averaged, and
the residual connection is half of each layer. The map is the same for every class.

Shapes: B images, h heads, N tokens, S x S pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from glioray.errors import ModelError
from glioray.explain.placing import placed, scaled
from glioray.models._maps import has_attention, maps, num_prefix_tokens


def has_rollout(model: nn.Module) -> bool:
    """Whether a network is made of tokens that attend to each other, all to all."""
    return has_attention(model) and any(hasattr(module, "num_prefix_tokens") for module in model.modules())


def attention_map(model: nn.Module, images: Tensor) -> Tensor:
    """(B,S,S) float32 in 0..1, 0 at the patch that the answer took least from and 1 at the one it took most from.

    Args:
        model: a Vision Transformer on the device of the images; also where its attention is computed fused.
        images: (B,C,S,S), as the network takes them.

    Raises:
        ModelError: its tokens do not attend all to all, in every layer.
    """
    return _heat(model, images, rollout(_layers(model, images)))


def layer_maps(model: nn.Module, images: Tensor) -> Tensor:
    """(L,B,S,S) as `attention_map`, but what each layer alone attends to, its heads averaged, nearest the image first.

    Of the token that the head reads; where it reads the mean of the patches, of their mean. Raises as `attention_map`.
    """
    return torch.stack([_heat(model, images, layer.float().mean(1)) for layer in _layers(model, images)])


def rollout(attention: Sequence[Tensor]) -> Tensor:
    """(B,N,N): how much of each token at the entrance is in each at the exit; every row sums to 1.

    Args:
        attention: of each layer from the image on, (B,h,N,N) with rows that sum to 1.
    """
    identity = torch.eye(attention[0].shape[-1], device=attention[0].device)
    flow = identity.expand(len(attention[0]), -1, -1)
    for layer in attention:
        flow = (layer.float().mean(1) + identity) / 2 @ flow
    return flow


def _layers(model: nn.Module, images: Tensor) -> list[Tensor]:
    """The attention (B,h,N,N) of each layer; raises as `attention_map`."""
    prefix = num_prefix_tokens(model)
    attention = list(maps(model, images, of=["attention"]).values())
    tokens = {tuple(layer.shape[::2]) for layer in attention}
    num_tokens = attention[0].shape[2] if len(tokens) == 1 else 0
    side = math.isqrt(max(num_tokens - prefix, 0))
    if side < 2 or tokens != {(len(images), side**2 + prefix)}:
        raise ModelError("attention rollout needs patches that attend all to all in every layer; ask for gradcam")
    return attention


def _heat(model: nn.Module, images: Tensor, flow: Tensor) -> Tensor:
    """(B,S,S) of what flows from each token to each (B,N,N)."""
    prefix = num_prefix_tokens(model)
    cells = (flow[:, 0] if _reads_token(model) else flow[:, prefix:].mean(1))[:, prefix:]
    cells = cells - cells.amin(1, keepdim=True)
    side = math.isqrt(cells.shape[1])
    step_px = images.shape[-1] / side
    return scaled(placed(cells.reshape(-1, side, side), images.shape[-1], (step_px - 1) / 2, step_px))


def _reads_token(model: nn.Module) -> bool:
    """Whether the head reads the class token; else it reads the mean of the patches."""
    return any(getattr(module, "global_pool", None) == "token" for module in model.modules())
