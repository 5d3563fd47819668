from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from glioray.models import _depthwise
from glioray.models._depthwise import DepthwiseConv2d

pytestmark = pytest.mark.skipif(not _depthwise.compiles_any_size(), reason="this CPU takes torch's own")


def gradients(layer: nn.Module, image: Tensor, is_bf16: bool = False) -> list[Tensor]:
    """Of the image, the kernels and the bias."""
    image = image.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
        output = layer(image)
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
    return list(torch.autograd.grad(output.float(), [image, *layer.parameters()], direction))


def torchs_own(layer: DepthwiseConv2d) -> nn.Conv2d:
    channels = layer.in_channels
    own = nn.Conv2d(channels, channels, layer.kernel_size, padding=layer.padding, groups=channels)
    own.load_state_dict(layer.state_dict())
    return own


@pytest.mark.parametrize("shape", [(2, 16, 24, 24), (3, 5, 7, 12), (1, 1, 8, 8), (2, 4, 2, 3)])
def test_the_gradients_are_those_of_torch(shape):
    torch.manual_seed(0)
    layer, image = DepthwiseConv2d(shape[1], 7), torch.randn(shape)

    for mine, other in zip(gradients(layer, image), gradients(torchs_own(layer), image), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_the_gradients_are_right_by_finite_differences():
    torch.manual_seed(0)
    layer = DepthwiseConv2d(2, 3).double()
    image = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(_depthwise._Depthwise.apply, (image, layer.weight, layer.bias))


def test_gradients_in_bf16_are_nearer_to_the_true_ones_than_the_format_is_fine():
    torch.manual_seed(0)
    layer, image = DepthwiseConv2d(16, 7), torch.randn(4, 16, 32, 32)

    for mine, exact in zip(gradients(layer, image, is_bf16=True), gradients(layer, image), strict=True):
        assert mine.dtype == torch.float32
        assert (mine - exact).norm() < 2**-7 * exact.norm()


def test_the_same_gradients_come_twice_to_the_last_bit():
    torch.manual_seed(0)
    layer, image = DepthwiseConv2d(16, 7), torch.randn(2, 16, 40, 40)

    for once, again in zip(gradients(layer, image), gradients(layer, image), strict=True):
        assert torch.equal(once, again)


def test_what_does_not_learn_gets_no_gradient():
    layer = DepthwiseConv2d(4, 7)
    layer.weight.requires_grad_(False)

    layer(torch.randn(1, 4, 8, 8)).sum().backward()

    assert layer.weight.grad is None
    assert layer.bias.grad is not None


def way_of(layer: nn.Module) -> str:
    return type(layer(torch.randn(1, 4, 8, 8)).grad_fn).__name__


def test_an_unknown_cpu_takes_torchs_own_gradients(monkeypatch):
    assert way_of(DepthwiseConv2d(4, 7)) == "_DepthwiseBackward"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    assert way_of(DepthwiseConv2d(4, 7)) == "ConvolutionBackward0"


def test_a_device_other_than_a_cpu_takes_torchs_own():
    output = DepthwiseConv2d(4, 7).to("meta")(torch.randn(1, 4, 8, 8, device="meta"))

    assert type(output.grad_fn).__name__ == "ConvolutionBackward0"
