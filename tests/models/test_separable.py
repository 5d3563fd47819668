from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from glioray.models._contract import num_parameters
from glioray.models._separable import InvertedBottleneck, inverted_bottlenecks


def plain(in_channels: int, out_channels: int) -> nn.Sequential:
    """The same layers, one after the other."""
    hidden = 4 * max(in_channels, out_channels)
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 7, padding=3, groups=in_channels),
        nn.BatchNorm2d(in_channels),
        nn.Conv2d(in_channels, hidden, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, out_channels, 1),
    )


def pair(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    ours, reference = InvertedBottleneck(in_channels, out_channels), plain(in_channels, out_channels)
    weights = dict(zip(reference.state_dict(), ours.state_dict().values(), strict=True))
    reference.load_state_dict(weights)
    return ours, reference


def image(channels: int, size_px: int = 48) -> Tensor:
    return torch.randn(2, channels, size_px, size_px, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(4, 16), (16, 16), (16, 8)])
def test_it_gives_what_the_plain_layers_give(in_channels, out_channels, is_training):
    ours, reference = pair(in_channels, out_channels)

    output = ours.train(is_training)(image(in_channels))

    expected = reference.train(is_training)(image(in_channels))
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)


def test_it_gives_what_the_plain_layers_give_over_as_many_pixels_as_a_batch_of_scans_has():
    ours, reference = pair(16, 16)

    output = ours(image(16, 240))

    torch.testing.assert_close(output, reference(image(16, 240)), rtol=0, atol=1e-5)


def test_its_gradients_are_those_of_the_plain_layers():
    ours, reference = pair(8, 16)
    for block in (ours, reference):
        block(image(8)).pow(2).mean().backward()

    largest = max(float(parameter.grad.abs().max()) for parameter in reference.parameters())
    for mine, other in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5 * largest)


def test_a_step_in_bf16_is_the_same_twice_to_the_last_bit():
    def step() -> list[Tensor]:
        ours, _ = pair(8, 8)
        with torch.autocast("cpu", torch.bfloat16):
            output = ours(image(8))
        output.float().square().mean().backward()
        return [output, *(parameter.grad for parameter in ours.parameters())]

    for once, again in zip(step(), step(), strict=True):
        assert torch.equal(once, again)


def test_the_hidden_layer_is_four_times_as_wide_as_the_wider_side():
    narrowing, widening = InvertedBottleneck(8, 4), InvertedBottleneck(4, 8)

    assert narrowing.expand.out_channels == widening.expand.out_channels == 32


def test_a_block_has_two_halves_that_meet_in_the_middle():
    first, second = inverted_bottlenecks(3, 8, 2)

    assert num_parameters(first) == 3 * 50 + 2 * 3 + 3 * 32 + 32 + 32 * 8 + 8
    assert (second.depthwise.in_channels, second.reduce.out_channels) == (8, 2)


@pytest.mark.parametrize("is_bf16", [False, True])
def test_the_compiler_takes_it_whole_and_computes_the_same(is_bf16):
    ours, _ = pair(4, 4)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)

    def step(block) -> list[Tensor]:
        ours.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            output = block(image(4, 16))
        output.float().square().mean().backward()
        return [output.detach().float(), ours.depthwise.weight.grad, ours.expand.weight.grad]

    for mine, other in zip(step(compiled), step(ours), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=(0.03 if is_bf16 else 1e-5) * float(other.abs().max()))


def test_gradients_have_the_layout_of_their_weights():
    """Else workers that train together copy each of them, and warn of it."""
    ours, _ = pair(4, 8)
    ours = ours.to(memory_format=torch.channels_last)

    ours(image(4, 8)).sum().backward()

    assert [weight.grad.stride() for weight in ours.parameters()] == [weight.stride() for weight in ours.parameters()]
