"""What a wrong mask costs: cross-entropy, Dice, focal and Tversky loss, each with a weight.

Shapes: B slices, O outputs, each a mask of its own (sigmoid), H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

Part = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class MaskLoss:
    """Weighted sum of losses of (B,O,H,W) logits and truth, both float32.

    Dice and Tversky are pooled over the batch and smoothed by one pixel: where an output is in no slice of the batch,
    every predicted pixel still costs (Milletari 2016, arXiv 1606.04797; MONAI).
    """

    bce_weight: float = 1.0
    dice_weight: float = 1.0
    focal_weight: float = 0.0
    focal_gamma: float = 2.0
    tversky_weight: float = 0.0
    tversky_alpha: float = 0.3
    tversky_beta: float = 0.7
    foreground_weight: float = 1.0
    class_weights: tuple[float, ...] | None = None

    def __call__(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Mean over the batch; parts of weight 0 are not computed."""
        return torch.stack([weight * part(logits, truth) for weight, part in self._parts]).sum()

    @cached_property
    def _parts(self) -> tuple[tuple[float, Part], ...]:
        """MONAI, which takes two seconds to import, is left out where no part is of it."""
        parts: tuple[tuple[float, Callable[[], Part]], ...] = (
            (self.bce_weight, lambda: self._cross_entropy),
            (self.dice_weight, self._dice),
            (self.focal_weight, self._focal),
            (self.tversky_weight, self._tversky),
        )
        return tuple((weight, part()) for weight, part in parts if weight)

    def _dice(self) -> Part:
        from monai.losses import DiceLoss

        loss: Part = DiceLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)
        return loss

    def _focal(self) -> Part:
        from monai.losses import FocalLoss

        loss: Part = FocalLoss(gamma=self.focal_gamma, weight=self._focal_weights())
        return loss

    def _tversky(self) -> Part:
        from monai.losses import TverskyLoss

        alpha, beta = self.tversky_alpha, self.tversky_beta
        loss: Part = TverskyLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0, alpha=alpha, beta=beta)
        return loss

    def _cross_entropy(self, logits: Tensor, truth: Tensor) -> Tensor:
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)[:, None, None]
        foreground = None if self.foreground_weight == 1 else logits.new_tensor(self.foreground_weight)
        return F.binary_cross_entropy_with_logits(logits, truth, weights, pos_weight=foreground)

    def _focal_weights(self) -> Sequence[float] | float | None:
        """MONAI refuses a sequence of one."""
        weights = self.class_weights
        return weights[0] if weights is not None and len(weights) == 1 else weights


def over_levels(loss: Part, levels: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Mean of the losses of all levels, each weighing half as much as the one that is twice as fine.

    Args:
        loss: of logits and truth of one size.
        levels: logits, finest first.
        truth: of the size of the finest; a coarser level is compared with its nearest pixels.

    Source: Isensee 2021, doi:10.1038/s41592-020-01008-z (nnU-Net), but that no level is left out.
    """
    weights = [0.5**depth for depth in range(len(levels))]
    costs = [weights[0] * loss(levels[0], truth)]
    for weight, logits in zip(weights[1:], levels[1:], strict=True):
        costs.append(weight * loss(logits, F.interpolate(truth, logits.shape[-2:], mode="nearest-exact")))
    return torch.stack(costs).sum() / sum(weights)
