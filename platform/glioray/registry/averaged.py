"""Several trained networks as one, whose probabilities are the mean of theirs.

Source: Lakshminarayanan 2017, "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
arXiv 1612.01474.

Shapes: B images, C channels, M members, K outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glioray.data.manifest import Normalization


class Averaged(nn.ModuleList):
    """Takes (B,C,H,W) of values 0..255, since each member has a normalization of its own, to logits.

    Its weights are the members' with their place in front: `0.stem.weight`, `1.stem.weight`.
    """

    def __init__(
        self, networks: Sequence[nn.Module], normalizations: Sequence[Normalization], is_exclusive: bool
    ) -> None:
        """Of networks in eval mode.

        Args:
            networks: the members (M); each gives (B,K) or (B,K,H,W).
            normalizations: of each.
            is_exclusive: the outputs exclude each other (softmax); else each is on its own (sigmoid).
        """
        super().__init__(networks)
        self.is_exclusive = is_exclusive
        for name in ("mean", "std"):
            values = torch.tensor([getattr(normalization, name) for normalization in normalizations])
            self.register_buffer(name, values, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits whose probabilities are the mean of the members' probabilities."""
        logits = torch.stack([network(images).float() for network, images in self.each(pixels)])
        # In logarithms, so that a probability of 1e-60 is not 0. A sum does for the mean: its factor cancels.
        if self.is_exclusive:
            return F.log_softmax(logits, dim=2).logsumexp(dim=0)
        return F.logsigmoid(logits).logsumexp(dim=0) - F.logsigmoid(-logits).logsumexp(dim=0)

    def each(self, pixels: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
        """Every member, and the images as it takes them."""
        for network, mean, std in zip(self, self.get_buffer("mean"), self.get_buffer("std"), strict=True):
            yield network, (pixels - mean[:, None, None]) / std[:, None, None]


def identity(num_channels: int) -> Normalization:
    """Leaves pixels as they are."""
    return Normalization(mean=(0.0,) * num_channels, std=(1.0,) * num_channels)
