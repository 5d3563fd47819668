"""A depthwise convolution whose gradients are two more forward convolutions: five times as fast on a CPU.

oneDNN computes the forward pass of a depthwise convolution near the speed of the machine, but not the gradient of its
kernels: that goes through the dense convolution, of whose products it needs one in 16, or through a small matrix
product for every channel. Most of the training time of the separable U-Nets went there. Both gradients are
correlations, so the fast forward pass can compute them:

    gradient of the image   = gradient of the output, convolved with the kernels turned by 180 degrees
    gradient of the kernels = the image, convolved with the gradient of its output in the place of kernels

The mathematics is the same, the sums are in another order. `benchmarks/models.py --profile` shows both.

Shapes: B images, C channels, H x W pixels, k x k kernels with k odd.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class DepthwiseConv2d(nn.Conv2d):
    """One k x k kernel for each channel, the image as large as before; parameters as of `nn.Conv2d`."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.is_faster_on_cpu = compiles_any_size()

    def forward(self, image: Tensor) -> Tensor:
        """(B,C,H,W) to (B,C,H,W)."""
        if not (torch.is_grad_enabled() and image.device.type == "cpu" and self.is_faster_on_cpu):
            return super().forward(image)
        if torch.is_autocast_enabled("cpu"):
            image = image.to(torch.get_autocast_dtype("cpu"))
        convolved: Tensor = _Depthwise.apply(image, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return convolved


def compiles_any_size() -> bool:
    """Whether oneDNN writes a kernel for any size on this CPU; elsewhere it may have a slow one for one so large."""
    has_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return has_onednn and torch.backends.cpu.get_cpu_capability().startswith("AVX")


class _Depthwise(torch.autograd.Function):
    """Takes weight and bias in fp32 even in bf16, so that their gradients are not rounded to the image's format."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        image = image.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(image, weight)
        return _convolve(image, weight.to(image.dtype), bias.to(image.dtype))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
        image, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_image = _convolve(gradient, weight.flip(2, 3).to(gradient.dtype)) if ctx.needs_input_grad[0] else None
        of_kernels = None
        if ctx.needs_input_grad[1]:  # in the weight's own layout, as workers that train together expect it
            of_kernels = torch.empty_like(weight).copy_(kernel_gradient(image, gradient, weight.shape[-1]))
        return of_image, of_kernels, gradient.sum((2, 3)).sum(0, dtype=weight.dtype)


# One step for the compiler, which would write out every image.
@torch.library.custom_op("glioray::kernel_gradient", mutates_args=())
def kernel_gradient(image: Tensor, gradient: Tensor, size: int) -> Tensor:
    """(C,1,k,k), float32 of bf16: the sum over images, each convolved with the gradient of its own output."""
    # split(1) and not image[i]: only a tensor of four dimensions shows that its channels are last, which saves a copy.
    images: tuple[Tensor, ...] = image.split(1)  # type: ignore[no-untyped-call]
    pairs = zip(images, gradient.contiguous().unsqueeze(2), strict=True)
    each = [F.conv2d(one, kernels, padding=size // 2, groups=len(kernels)) for one, kernels in pairs]
    return torch.cat(each).sum(0, dtype=torch.promote_types(image.dtype, torch.float32)).unsqueeze(1)


@kernel_gradient.register_fake
def _(image: Tensor, gradient: Tensor, size: int) -> Tensor:
    dtype = torch.promote_types(gradient.dtype, torch.float32)
    return image.new_empty((image.shape[1], 1, size, size), dtype=dtype)


def _convolve(image: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(image, kernels, bias, padding=kernels.shape[-1] // 2, groups=len(kernels))
