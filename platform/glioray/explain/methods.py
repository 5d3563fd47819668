"""The ways to explain a classifier, by name.

Shapes: B images, C channels, S x S pixels.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from glioray.errors import ModelError
from glioray.explain.attention import attention_map, has_rollout
from glioray.explain.gradcam import gradcam

Method = Literal["gradcam", "attention"]
METHODS: tuple[Method, ...] = get_args(Method)


def methods(model: nn.Module) -> tuple[Method, ...]:
    """Those that a classifier can be explained by."""
    return METHODS if has_rollout(model) else ("gradcam",)


def heat_maps(model: nn.Module, images: Tensor, classes: Tensor, method: Method) -> Tensor:
    """(B,S,S) float32 in 0..1, high where the image counted for the class (B,), or with attention for any class.

    Raises:
        ModelError: the network cannot be explained by this method; the text says by which it can.
    """
    if method not in (able := methods(model)):
        raise ModelError(f"explain={method} is not for this network, which can be explained by {', '.join(able)}")
    return gradcam(model, images, classes) if method == "gradcam" else attention_map(model, images)
