"""What a network looks for first, and which of its channels say most of an image.

Shapes: C channels, h x w cells, k x k weights.
"""

from __future__ import annotations

from torch import Tensor, nn

from glioray.errors import ModelError


def first_kernels(model: nn.Module) -> Tensor:
    """(out, in, k, k) float32: the weights of the first convolution that looks beyond one pixel.

    Source: Zeiler 2014, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901, figure 2.

    Raises:
        ModelError: the network has none.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1:
            return layer.weight.detach().float().cpu()
    raise ModelError("the network has no convolution that looks beyond one pixel, so that there are no kernels to show")


def strongest(values: Tensor, num: int) -> list[int]:
    """Channels of a map (C,h,w) that differ most from place to place, the first the most; `num` of them at most."""
    spread = values.float().flatten(1).std(1, correction=0)
    return [int(channel) for channel in spread.argsort(descending=True, stable=True)[:num]]
