from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glioray.models import _bottleneck
from glioray.models._bottleneck import bottleneck

PIXELS = 2 * 5 * 7


def layers(before: int = 3, after: int = 2) -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(0)
    return nn.Conv2d(before, 12, 1), nn.Conv2d(12, after, 1)


def image() -> Tensor:
    return torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1))


def plain(image: Tensor, expand: nn.Conv2d, reduce: nn.Conv2d) -> Tensor:
    output: Tensor = reduce(F.relu(expand(image)))
    return output


def output_and_gradients(way, is_bf16: bool = False) -> list[Tensor]:
    pixels, (expand, reduce) = image().requires_grad_(), layers()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
        output = way(pixels, expand, reduce)
    weights = [*expand.parameters(), *reduce.parameters()]
    return [output, *torch.autograd.grad(output.float().pow(2).sum(), [pixels, *weights])]


@pytest.mark.parametrize("portion", [1, 12 * 9, 12 * PIXELS, 2**19])
def test_it_is_the_two_convolutions_however_large_a_portion_is(monkeypatch, portion):
    monkeypatch.setattr(_bottleneck, "PORTION", portion)

    for mine, other in zip(output_and_gradients(bottleneck), output_and_gradients(plain), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_the_gradients_are_right_by_finite_differences():
    expand, reduce = (layer.double() for layer in layers())
    values = [image()[:, :, :2, :2].double().requires_grad_(), expand.weight, expand.bias, reduce.weight, reduce.bias]

    assert torch.autograd.gradcheck(_bottleneck._bottleneck, values)


def test_in_bf16_weights_get_gradients_in_fp32_that_are_near_the_true_ones():
    computed = zip(output_and_gradients(bottleneck, is_bf16=True), output_and_gradients(plain), strict=True)
    (output, _), *gradients = computed

    assert output.dtype == torch.bfloat16
    for mine, exact in gradients:
        assert mine.dtype == torch.float32
        assert (mine - exact).norm() < 0.02 * exact.norm()


def test_nothing_as_wide_as_the_middle_is_kept_for_the_way_back():
    kept: list[int] = []
    expand, reduce = layers()
    with torch.autograd.graph.saved_tensors_hooks(
        lambda value: kept.append(value.numel()) or value, lambda value: value
    ):
        bottleneck(image().requires_grad_(), expand, reduce)

    assert max(kept) == image().numel()


def test_another_device_computes_the_two_convolutions():
    expand, reduce = (layer.to("meta") for layer in layers())

    output = bottleneck(image().to("meta"), expand, reduce)

    assert type(output.grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.parametrize(("small_bytes", "way"), [(0, "_Bottleneck"), (2**24, "conv2d")])
def test_without_a_way_back_a_small_middle_is_computed_whole(monkeypatch, small_bytes, way):
    monkeypatch.setattr(_bottleneck, "SMALL_BYTES", small_bytes)
    expected, (expand, reduce) = output_and_gradients(plain)[0], layers()

    with torch.no_grad(), torch.profiler.profile() as recorded:
        output = bottleneck(image(), expand, reduce)

    assert any(way in event.key for event in recorded.key_averages())
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
