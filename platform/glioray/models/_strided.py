"""Strided 1x1 convolutions that read every s-th pixel by themselves: oneDNN ends the process in their gradient.

Measured with oneDNN 3.x on a CPU: where the channels are last and fewer than 16, the gradient of a 1x1 convolution
with a stride writes beyond its memory. The same pixels, taken out first, give the same result without a stride.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def without_point_strides(model: nn.Module) -> nn.Module:
    """The network itself, in which no 1x1 convolution has a stride any more; weights, names and answers are the same.

    By a hook and not by another class: a convolution of timm that does more with its weights stays what it is.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and _is_strided_point(module):
            module.register_forward_pre_hook(_Every(*module.stride))
            module.stride = (1, 1)
    return model


class _Every:
    """Takes every s-th pixel of what goes into a layer; an object, so that it is copied along with the network."""

    def __init__(self, down: int, across: int) -> None:
        self.down, self.across = down, across

    def __call__(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> Tensor:
        image: Tensor = inputs[0]
        return image[..., :: self.down, :: self.across]


def _is_strided_point(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == (1, 1) and conv.stride != (1, 1) and conv.padding == (0, 0)
