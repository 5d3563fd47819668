"""The last feature map of a classifier, how a score changes with it, and where in the image its cells lie.

Shapes: B images, C channels, h x w cells, S x S pixels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from glioray.errors import ModelError
from glioray.models._maps import Reading, as_it_answers, blocks, feature_reading, has_attention, num_prefix_tokens

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
MOVERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class LastMap:
    """What a classifier sees before it gives up places: values and the gradient of a score, (B,C,h,w) each.

    The middle of what the cell in row i sees is row `first_px` + i `step_px` of the image; columns alike.
    """

    values: Tensor
    gradient: Tensor
    first_px: float
    step_px: float


def last_map(model: nn.Module, images: Tensor, score: Callable[[Tensor], Tensor]) -> LastMap:
    """The last map with more than one cell; of a CNN before the pool that its block ends with.

    Of a network with a class token it is what goes into the last block with attention: what comes out of it beside
    the token may not be read any more. The network is afterwards what it was, its parameters have no gradients, and
    what other threads ask it meanwhile is answered as ever.

    Args:
        model: on the device of the images; it is asked as it answers, without dropout.
        images: (B,C,S,S), as the network takes them.
        score: of the logits (B,K) a value of each image, (B,) or (B,1).

    Raises:
        ModelError: none of its blocks gives a map.
    """
    watcher = _Watcher(images.shape[-2], feature_reading(model))
    with ExitStack() as stack:
        stack.enter_context(as_it_answers(model))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for layer in model.modules():
            if isinstance(layer, MOVERS):
                stack.enter_context(layer.register_forward_hook(watcher.follow))
        for layer, is_input in _places(model):
            hook = watcher.keep_input if is_input else watcher.keep_output
            register: Any = layer.register_forward_pre_hook if is_input else layer.register_forward_hook
            stack.enter_context(register(hook))
        logits = model(images.clone() if images.is_inference() else images)
        return watcher.found(score(logits).sum())


def _places(model: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """Layers that a map goes into (true) or comes out of (false)."""
    has_token = num_prefix_tokens(model) > 0
    for _, block in blocks(model):
        last = block
        while isinstance(last, nn.Sequential) and len(last):
            last = last[-1]
        if not has_token:
            yield (last, True) if isinstance(last, POOLS) else (block, False)
        elif has_attention(block):
            yield block, True


class _Watcher:
    """Cuts the graph at every map, so that only what follows the last one is differentiated."""

    def __init__(self, size_px: int, reading: Reading) -> None:
        self.thread = threading.get_ident()
        self.reading = reading
        self.image_size = self.size = size_px
        self.first_px, self.step_px = 0.0, 1.0
        self.leaf: Tensor | None = None
        self.cells = (0.0, 1.0)

    def follow(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Where the cells of an output lie; branches beside the first one that changes the size move nothing more."""
        if threading.get_ident() != self.thread or inputs[0].shape[-2] != self.size:
            return
        padding = getattr(layer, "padding", 0)
        reach = _rows(getattr(layer, "dilation", 1)) * (_rows(layer.kernel_size) - 1) / 2
        shift = 0.0 if padding == "same" else reach - (0 if padding == "valid" else _rows(padding))
        self.first_px += shift * self.step_px
        self.step_px *= _rows(layer.stride)
        self.size = output.shape[-2]

    def keep_output(self, _layer: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
        """A hook that replaces what a layer gives by the same values."""
        return self._kept(output)

    def keep_input(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """A hook that replaces what goes into a layer by the same values."""
        kept = self._kept(inputs[0])
        return None if kept is None else (kept, *inputs[1:])

    def found(self, score: Tensor) -> LastMap:
        """The map that was kept last, and the gradient of a sum over the images with respect to it."""
        if self.leaf is None:
            raise ModelError("the network has no feature map, which Grad-CAM is made of")
        (gradient,) = torch.autograd.grad(score, self.leaf, allow_unused=True, materialize_grads=True)
        values, slopes = self.reading(self.leaf.detach()), self.reading(gradient)
        assert values is not None
        assert slopes is not None
        return LastMap(values.float(), slopes.float(), *self.cells)

    def _kept(self, output: Any) -> Tensor | None:
        if threading.get_ident() != self.thread or not isinstance(output, Tensor):
            return None
        cells = self.reading(output)
        if cells is None or cells.shape[2] * cells.shape[3] == 1:
            return None
        num_rows = cells.shape[2]
        step_px = self.image_size / num_rows
        is_followed = num_rows == self.size
        self.cells = (self.first_px, self.step_px) if is_followed else ((step_px - 1) / 2, step_px)
        self.leaf = output.detach().requires_grad_()
        return self.leaf.clone()  # what comes next may write into it


def _rows(setting: Any) -> int:
    """Of a kernel, a stride, a padding or a dilation, which torch writes as a number or as one for each axis."""
    return int(setting[0] if isinstance(setting, tuple) else setting)
