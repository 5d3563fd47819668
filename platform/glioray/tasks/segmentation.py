"""Which pixels belong to each label: binary cross-entropy and Dice, counted by patient.

Shapes: B slices, K labels, R regions, P patients, H x W pixels. A batch has `mask` (B,H,W) uint8, the label
map with the values of `labels`, and `patient_index` (B,).

Rule for empty references: a patient without a label and without a prediction of it has no Dice (NaN, left
out of means); one without the label but with a prediction of it has 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor

from glioray.tasks._contract import Batch, Contents, Counts, LossConfig, require_weight_for_each

THRESHOLD = 0.5


class Loss(LossConfig):
    """Weighted sum of binary cross-entropy and Dice."""

    bce_weight: float = Field(1.0, ge=0, le=100, description="weight of the binary cross-entropy")
    dice_weight: float = Field(1.0, ge=0, le=100, description="weight of the Dice loss")
    class_weights: tuple[PositiveFloat, ...] | None = Field(
        None, description="of each label in the cross-entropy; none weighs all alike"
    )

    @model_validator(mode="after")
    def _not_both_zero(self) -> Loss:
        if self.bce_weight + self.dice_weight == 0:
            raise ValueError("bce_weight and dice_weight are both 0: there is nothing to learn from; raise one")
        return self


@dataclass(frozen=True)
class Segmentation:
    """A label, or none, for each pixel."""

    labels: dict[str, int]
    regions: dict[str, tuple[str, ...]]
    num_patients: int
    bce_weight: float = 1.0
    dice_weight: float = 1.0
    class_weights: tuple[float, ...] | None = None
    score: str = "dice"

    @property
    def names(self) -> tuple[str, ...]:
        """What is scored: the labels, then the regions."""
        return (*self.labels, *self.regions)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Mean over the batch, in float32.

        Dice is pooled over the batch and smoothed by one pixel: where a label is in no slice of the batch, every
        predicted pixel still costs (Milletari 2016, arXiv 1606.04797; MONAI's DiceLoss).
        """
        logits, truth = logits.float(), self._one_hot(batch["mask"]).float()
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)[:, None, None]
        cross_entropy = F.binary_cross_entropy_with_logits(logits, truth, weights)
        dice: Tensor = DiceLoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)(logits, truth)
        return self.bce_weight * cross_entropy + self.dice_weight * dice

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B,K,H,W), each label on its own."""
        return logits.float().sigmoid()

    def label_map(self, probabilities: Tensor) -> Tensor:
        """(B,H,W) uint8: the most probable label where one passes the threshold, else 0."""
        highest, index = probabilities.max(dim=1)
        values = torch.tensor(list(self.labels.values()), dtype=torch.uint8, device=probabilities.device)
        return values[index] * (highest > THRESHOLD)

    def counts(self, probabilities: Tensor, batch: Batch) -> Counts:
        """`pixels` (P,K+R,3): those that are in both, only predicted, only true, of each patient."""
        predicted = self._scored(self.label_map(probabilities))
        truth = self._scored(batch["mask"])
        rows = torch.stack(
            [
                (predicted & truth).sum((2, 3)),
                (predicted & ~truth).sum((2, 3)),
                (~predicted & truth).sum((2, 3)),
            ],
            dim=-1,
        )
        pixels = self.zero_counts()["pixels"].to(rows.device)
        return {"pixels": pixels.index_add_(0, batch["patient_index"], rows.double())}

    def zero_counts(self) -> Counts:
        """The counts of no rows."""
        return {"pixels": torch.zeros(self.num_patients, len(self.names), 3, dtype=torch.float64)}

    def by_patient(self, counts: Counts) -> dict[str, Tensor]:
        """Dice, IoU, precision and recall, each (P,K+R); NaN where there is nothing to divide by."""
        both, over, under = counts["pixels"].unbind(-1)
        return {
            "dice": 2 * both / (2 * both + over + under),
            "iou": both / (both + over + under),
            "precision": both / (both + over),
            "recall": both / (both + under),
        }

    def metrics(self, counts: Counts) -> dict[str, float]:
        """Mean over patients of each measure, over the labels (`dice`) and of each label and region (`dice/WT`)."""
        found = {}
        for measure, values in self.by_patient(counts).items():
            means = values.nanmean(0)
            found[measure] = float(means[: len(self.labels)].nanmean())
            found |= {f"{measure}/{name}": float(mean) for name, mean in zip(self.names, means, strict=True)}
        return found

    def _one_hot(self, mask: Tensor) -> Tensor:
        """(B,H,W) label map to (B,K,H,W) bool."""
        return torch.stack([mask == value for value in self.labels.values()], dim=1)

    def _scored(self, mask: Tensor) -> Tensor:
        """(B,H,W) label map to (B,K+R,H,W) bool: labels, then regions."""
        labels = self._one_hot(mask)
        position = {name: index for index, name in enumerate(self.labels)}
        regions = [labels[:, [position[name] for name in names]].any(1) for names in self.regions.values()]
        return torch.cat([labels, torch.stack(regions, dim=1)], dim=1) if regions else labels


def num_outputs(contents: Contents, loss: Loss) -> int:
    """One for each label."""
    del loss
    return len(contents.labels)


def build(contents: Contents, loss: Loss, num_patients: int) -> Segmentation:
    """The task of these labels and regions."""
    require_weight_for_each(loss.class_weights, tuple(contents.labels))
    return Segmentation(
        contents.labels, contents.regions, num_patients, loss.bce_weight, loss.dice_weight, loss.class_weights
    )
