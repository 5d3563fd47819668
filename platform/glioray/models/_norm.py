"""BatchNorm whose figures are exact where the channels are last: torch's are wrong in the fifth digit there.

In fp32 on a CPU torch adds up all pixels of a channel one after the other, and after a hundred thousand of them the
rounding shows (measured: 1e-5 of the deviation, a hundred times what it is where the channels are first). Here a sum
goes down each column of pixels, and then over the columns: as exact as the other order, and as fast.

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class BatchNorm2d(nn.BatchNorm2d):
    """As `nn.BatchNorm2d`, of which it has all names; another sum in training in fp32 on a CPU, and nowhere else."""

    def forward(self, image: Tensor) -> Tensor:
        """(B,C,H,W) to (B,C,H,W)."""
        if not (self.training and _is_summed_in_line(image)):
            return super().forward(image)
        mean, variance = statistics(image.detach())
        self._follow(mean, variance, image.numel() // self.num_features)
        figures = (mean, variance, self.eps)
        normed: Tensor = _Normed.apply(image, self.weight, self.bias, *figures)  # type: ignore[no-untyped-call]
        return normed

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Moves the running figures by the share that is set, the variance without its bias."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)


def statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of an image (B,C,H,W) whose channels are last."""
    batch, channels, height, width = image.shape
    columns = image.permute(0, 2, 3, 1).reshape(batch * height, width * channels, 1, 1)
    means, variances = torch.batch_norm_update_stats(columns, None, None, 0.0)
    means, variances = means.view(width, channels), variances.view(width, channels)
    return means.mean(0), variances.mean(0) + means.var(0, correction=0)


def _is_summed_in_line(image: Tensor) -> bool:
    """Whether torch's own BatchNorm is inexact; the compiler writes a sum of its own, which is not."""
    if torch.compiler.is_compiling():
        return False
    channels_are_last = image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()
    return channels_are_last and image.device.type == "cpu" and image.dtype == torch.float32


class _Normed(torch.autograd.Function):
    """The gradient knows that mean and variance are those of the image."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float
    ) -> Tensor:
        ctx.save_for_backward(image, weight, mean, (variance + eps).rsqrt())
        ctx.eps = eps
        return F.batch_norm(image, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight, mean, rstd = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            gradient, image, weight, None, None, mean, rstd, True, ctx.eps, ctx.needs_input_grad[:3]
        )
        return (*gradients, None, None, None)
