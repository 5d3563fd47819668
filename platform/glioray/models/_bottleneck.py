"""Two 1x1 convolutions with a ReLU between, whose wide middle is never stored: on a CPU a third less time and memory.

Between them are four times as many channels as before and after, and it is to write and read those, and to get fresh
memory for them in every step, that took most of the time left to the separable U-Nets. A 1x1 convolution sees one pixel
at a time, so both are computed for a portion of pixels whose middle stays in the cache. The way back computes the
middle again (Chen 2016, arXiv 1604.06174): one matrix product more, for no memory at all.

Shapes: B images, H x W pixels, P = B x H x W; a, h, b channels before, between and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable

PORTION = 2**19  # values of the middle for each thread, so that a megabyte of bf16 stays in its cache
SMALL_BYTES = 2**24  # of a middle that costs no fresh memory; where nothing is kept for a way back, it is faster whole


def bottleneck(image: Tensor, expand: nn.Conv2d, reduce: nn.Conv2d) -> Tensor:
    """(B,a,H,W) to (B,b,H,W): what `reduce(relu(expand(image)))` gives."""
    assert expand.bias is not None
    assert reduce.bias is not None
    return _bottleneck(image, expand.weight, expand.bias, reduce.weight, reduce.bias)


@fx.wrap  # type: ignore[untyped-decorator]  # a trace takes it as one step: which way is taken depends on the image
def _bottleneck(image: Tensor, expand: Tensor, expand_bias: Tensor, reduce: Tensor, reduce_bias: Tensor) -> Tensor:
    if torch.is_autocast_enabled("cpu") and image.device.type == "cpu":
        image = image.to(torch.get_autocast_dtype("cpu"))
    if _is_faster_whole(image, len(expand)):
        return F.conv2d(F.relu(F.conv2d(image, expand, expand_bias), inplace=True), reduce, reduce_bias)
    batch, channels, height, width = image.shape
    pixels = image.permute(0, 2, 3, 1).reshape(-1, channels)
    weights = (expand, expand_bias, reduce, reduce_bias)
    reduced: Tensor = _Bottleneck.apply(pixels, *weights)  # type: ignore[no-untyped-call]
    return reduced.view(batch, height, width, len(reduce)).permute(0, 3, 1, 2)


def _is_faster_whole(image: Tensor, hidden: int) -> bool:
    """The compiler, too, takes convolutions whole: portion by portion its graph would have no end."""
    if image.device.type != "cpu" or torch.compiler.is_compiling():
        return True
    middle_bytes = image.numel() // image.shape[1] * hidden * image.element_size()
    return not torch.is_grad_enabled() and middle_bytes <= SMALL_BYTES


class _Bottleneck(torch.autograd.Function):
    """Takes weights in fp32 even in bf16, and sums their gradients in it."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(pixels, *weights)
        expand, expand_bias, reduce, reduce_bias = _cast(pixels, weights)
        reduced = pixels.new_empty(len(pixels), len(reduce))
        for rows, out in zip(_portions(pixels, expand), _portions(reduced, expand), strict=True):
            torch.addmm(reduce_bias, _middle(rows, expand, expand_bias), reduce.t(), out=out)
        return reduced

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        pixels, *weights = ctx.saved_tensors
        expand, expand_bias, reduce, _ = _cast(pixels, weights)
        totals = [torch.zeros_like(weight) for weight in weights]
        gradient, of_pixels = gradient.contiguous(), torch.empty_like(pixels)
        portions = (_portions(values, expand) for values in (pixels, gradient, of_pixels))
        for rows, of_rows, out in zip(*portions, strict=True):
            middle = _middle(rows, expand, expand_bias)
            of_middle = torch.ops.aten.threshold_backward(of_rows @ reduce, middle, 0)
            torch.mm(of_middle, expand, out=out)
            parts = (of_middle.t() @ rows, of_middle.sum(0), of_rows.t() @ middle, of_rows.sum(0))
            for total, part in zip(totals, parts, strict=True):
                total.view(part.shape).add_(part)
        return of_pixels, *totals


def _middle(pixels: Tensor, expand: Tensor, expand_bias: Tensor) -> Tensor:
    return torch.addmm(expand_bias, pixels, expand.t()).relu_()


def _portions(values: Tensor, expand: Tensor) -> tuple[Tensor, ...]:
    """Views of rows, as many of them as give a middle that stays in the cache."""
    rows = max(1, PORTION * torch.get_num_threads() // len(expand))
    return values.split(rows)  # type: ignore[no-untyped-call,no-any-return]


def _cast(like: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """The weights in another format, those of the convolutions as matrices."""
    return [weight.to(like.dtype).flatten(1) if weight.ndim > 1 else weight.to(like.dtype) for weight in weights]
