"""All that a bundle does to a prepared image, as one network: normalization, copies, probabilities, temperature.

Another program then has nothing to get wrong between the pixels and the answer.

Shapes: B images, C channels, K outputs, S x S pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glioray.data.preprocessing import normalize
from glioray.models._fold import folded
from glioray.registry.bundle import ModelBundle
from glioray.serving.predictor import MIRRORED_AXES, tempered
from glioray.tasks import _contract as tasks


class Answering(nn.Module):
    """Prepared pixels (B,C,S,S) float32 of 0..255 to probabilities (B,K) or (B,K,S,S), as the service gives them.

    BatchNorm is folded as in the service. What is done to a mask after that, see `about.py`, is no part of it.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        """Of a bundle, or of an average, whose members answer together."""
        super().__init__()
        config = bundle.config
        self.network = folded(bundle.build())
        self.task = tasks.build(config.contents, config.checked_recipe.loss, num_patients=1)
        self.normalization, self.temperature = config.normalization, config.temperature
        self.mirrored_axes = MIRRORED_AXES[config.flips]
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        """The mean over the copies, each mirrored back."""
        normalized = normalize(pixels, self.normalization)
        copies = torch.stack([self._probabilities(normalized, axes) for axes in self.mirrored_axes])
        return tempered(copies.mean(dim=0), self.temperature)

    def _probabilities(self, pixels: Tensor, axes: tuple[int, ...]) -> Tensor:
        probabilities = self.task.probabilities(self.network(pixels.flip(axes)))
        return probabilities.flip(axes) if probabilities.ndim == 4 else probabilities
