from __future__ import annotations

import torch
from torch import Tensor, nn

from glioray.models._norm import BatchNorm2d, statistics


def image(batch: int = 2, side: int = 120) -> Tensor:
    """Far from zero, with its channels last."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(batch, 8, side, side, generator=generator) * 3 + 2
    return values.contiguous(memory_format=torch.channels_last)


def trained(norm: nn.Module, values: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Output, and the gradients of image, weight and bias."""
    values = values.detach().requires_grad_()
    output = norm(values)
    loss = (output**3 * torch.linspace(-1, 1, values.shape[-1])).sum()
    return output, list(torch.autograd.grad(loss, [values, *norm.parameters()]))


def test_mean_and_variance_are_right_to_the_last_digits():
    mean, variance = statistics(image(4, 240))

    exact = image(4, 240).double()
    torch.testing.assert_close(mean.double(), exact.mean((0, 2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(variance.double(), exact.var((0, 2, 3), correction=0), rtol=1e-6, atol=0)


def test_output_and_gradients_are_those_of_torch():
    norm, own = BatchNorm2d(8), nn.BatchNorm2d(8)
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    own.load_state_dict(norm.state_dict())

    output, gradients = trained(norm, image())
    expected, expected_gradients = trained(own.double(), image().double())

    torch.testing.assert_close(output.double(), expected, rtol=0, atol=5e-6)
    for mine, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=0, atol=1e-4 * float(other.abs().max()))


def test_the_running_figures_are_those_of_torch():
    norm, own = BatchNorm2d(8), nn.BatchNorm2d(8)
    for batch in (2, 3):
        norm(image(batch, 12))
        own(image(batch, 12))

    torch.testing.assert_close(norm.state_dict(), own.state_dict(), rtol=1e-4, atol=1e-5)


def test_in_eval_mode_the_running_figures_are_used_and_kept():
    norm = BatchNorm2d(8).eval()

    torch.testing.assert_close(norm(image()), image(), rtol=1e-4, atol=1e-4)
    assert norm.num_batches_tracked == 0


def test_bf16_is_left_to_torch():
    assert "NativeBatchNorm" in type(BatchNorm2d(8)(image().bfloat16()).grad_fn).__name__
    assert "Normed" in type(BatchNorm2d(8)(image()).grad_fn).__name__
