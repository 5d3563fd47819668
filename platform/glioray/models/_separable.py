"""The separable block of the improved U-Nets: depthwise 7x7, BatchNorm, and an inverted bottleneck, twice.

Source: ConvNeXt (Liu 2022, arXiv 2201.03545), inverted bottleneck (Sandler 2018, arXiv 1801.04381), separable
convolution (Chollet 2017, arXiv 1610.02357). Differs from ConvNeXt, as the course project that glioray continues does:
BatchNorm and ReLU in place of LayerNorm and GELU, no residual; the hidden width is 4 times the wider of the two sides.

Shapes: (B,C,H,W) to (B,K,H,W).
"""

from __future__ import annotations

from torch import Tensor, nn

from glioray.models._bottleneck import bottleneck
from glioray.models._depthwise import DepthwiseConv2d
from glioray.models._norm import BatchNorm2d

KERNEL_SIZE = 7
EXPANSION = 4


def inverted_bottlenecks(in_channels: int, middle: int, out_channels: int) -> nn.Sequential:
    """Two separable halves, from `in_channels` over `middle` to `out_channels`."""
    return nn.Sequential(InvertedBottleneck(in_channels, middle), InvertedBottleneck(middle, out_channels))


class InvertedBottleneck(nn.Module):
    """Depthwise 7x7, BatchNorm, 1x1 to 4 times the wider side, ReLU, 1x1 back."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        hidden = EXPANSION * max(in_channels, out_channels)
        self.depthwise = DepthwiseConv2d(in_channels, KERNEL_SIZE)
        self.norm = BatchNorm2d(in_channels)
        self.expand = nn.Conv2d(in_channels, hidden, 1)
        self.reduce = nn.Conv2d(hidden, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B,C,H,W) to (B,K,H,W)."""
        return bottleneck(self.norm(self.depthwise(image)), self.expand, self.reduce)
