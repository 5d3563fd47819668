"""Which pixels belong to each label: the loss of its masks, and pixels counted by patient.

Shapes: B slices, K labels, R regions, O outputs (K, or R where regions are learned), P patients, H x W pixels. A batch
has `mask` (B,H,W) uint8, the label map with the values of `labels`, and `patient_index` (B,).

Rule for empty references: a patient without a label and without a prediction of it has no Dice (NaN, left
out of means); one without the label but with a prediction of it has 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal

import torch
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor

from glioray.tasks._contract import Batch, Contents, Counts, Logits, LossConfig, require_weight_for_each
from glioray.tasks._losses import MaskLoss, over_levels
from glioray.tasks.regions import innermost, nested

THRESHOLD = 0.5
Target = Literal["labels", "regions"]


class Loss(LossConfig):
    """What is learned, and a weighted sum of losses."""

    target: Target = Field(
        "labels", description="regions: each of WT, TC, ET is an output, which BraTS scores (Isensee 2020, 2011.00848)"
    )
    bce_weight: float = Field(1.0, ge=0, le=100, description="weight of the binary cross-entropy")
    dice_weight: float = Field(1.0, ge=0, le=100, description="of the Dice loss (Milletari 2016, arXiv 1606.04797)")
    focal_weight: float = Field(0.0, ge=0, le=100, description="of the focal loss (Lin 2017, arXiv 1708.02002)")
    focal_gamma: float = Field(2.0, ge=0, le=5, description="how little sure pixels count in the focal loss")
    tversky_weight: float = Field(0.0, ge=0, le=100, description="of the Tversky loss (Salehi 2017, arXiv 1706.05721)")
    tversky_alpha: float = Field(0.3, gt=0, le=1, description="Tversky: cost of a pixel that is only predicted")
    tversky_beta: float = Field(0.7, gt=0, le=1, description="Tversky: cost of a pixel that is only true")
    foreground_weight: float = Field(
        1.0, gt=0, le=1000, description="of true pixels in the cross-entropy (Xie 2015, arXiv 1504.06375)"
    )
    class_weights: tuple[PositiveFloat, ...] | None = Field(
        None, description="of each output in cross-entropy and focal loss; none weighs all alike"
    )

    @model_validator(mode="after")
    def _not_all_zero(self) -> Loss:
        if self.bce_weight + self.dice_weight + self.focal_weight + self.tversky_weight == 0:
            raise ValueError(
                "bce_weight and dice_weight are both 0, and so are focal_weight and tversky_weight: "
                "there is nothing to learn from; raise one"
            )
        return self

    @model_validator(mode="after")
    def _no_weights_of_nothing(self) -> Loss:
        if self.class_weights is not None and not self.has_weights:
            raise ValueError(
                "class_weights are of cross-entropy and focal loss, bce_weight and focal_weight are both 0: raise one, "
                "or remove class_weights"
            )
        if self.foreground_weight != 1 and self.bce_weight == 0:
            raise ValueError(
                f"foreground_weight {self.foreground_weight} is of the cross-entropy, bce_weight is 0: raise it, or "
                "remove foreground_weight"
            )
        return self

    @property
    def has_weights(self) -> bool:
        """Whether a part of the loss weighs its outputs."""
        return self.bce_weight + self.focal_weight > 0


@dataclass(frozen=True)
class Segmentation:
    """A label, or none, for each pixel."""

    labels: dict[str, int]
    regions: dict[str, tuple[str, ...]]
    num_patients: int
    criterion: MaskLoss = field(default_factory=MaskLoss)
    target: Target = "labels"

    @property
    def names(self) -> tuple[str, ...]:
        """What is scored: the labels, then the regions."""
        return (*self.labels, *self.regions)

    @property
    def score(self) -> str:
        """`dice` over the labels; where regions are learned, `region_dice` over them, as BraTS scores."""
        return "dice" if self.target == "labels" else "region_dice"

    def loss(self, logits: Logits, batch: Batch) -> Tensor:
        """Mean over the batch, in float32; of several levels, finest first, see `over_levels`."""
        levels = (logits,) if isinstance(logits, Tensor) else logits
        # Sums over pixels are slow where the channel lies innermost, as it does in the networks.
        plain = [level.to(torch.float32, memory_format=torch.contiguous_format) for level in levels]
        return over_levels(self.criterion, plain, self._masks(batch["mask"], self._learned).float())

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B,O,H,W), each output on its own."""
        return logits.float().sigmoid()

    def label_map(self, probabilities: Tensor) -> Tensor:
        """(B,H,W) uint8, 0 where no output passes the threshold.

        The most probable label; where regions are learned, the label of the innermost region (see `innermost`).
        """
        if self.target == "regions":
            return innermost(probabilities > THRESHOLD, self.labels, self.regions)
        highest, index = probabilities.max(dim=1)
        values = torch.tensor(list(self.labels.values()), dtype=torch.uint8, device=probabilities.device)
        return values[index] * (highest > THRESHOLD)

    def counts(self, probabilities: Tensor, batch: Batch) -> Counts:
        """Those of the label map."""
        return self.count_masks(self.label_map(probabilities), batch)

    def count_masks(self, label_map: Tensor, batch: Batch) -> Counts:
        """`pixels` (P,K+R,3) of a label map (B,H,W): in both, only predicted, only true, of each patient."""
        predicted, truth = self._masks(label_map, self._scored), self._masks(batch["mask"], self._scored)
        both, marked, true = (_pixels(masks) for masks in (predicted & truth, predicted, truth))
        rows = torch.stack([both, marked - both, true - both], dim=-1)
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
        """Mean over patients of each measure.

        Of each label and region (`dice/WT`); and of a patient's mean over the labels (`dice`), and over the regions
        where there are any (`region_dice`).
        """
        found = {}
        for measure, values in self.by_patient(counts).items():
            of_labels, of_regions = values.tensor_split([len(self.labels)], dim=1)
            found[measure] = float(of_labels.nanmean(1).nanmean())
            if self.regions:
                found[f"region_{measure}"] = float(of_regions.nanmean(1).nanmean())
            means = values.nanmean(0).tolist()
            found |= {f"{measure}/{name}": mean for name, mean in zip(self.names, means, strict=True)}
        return found

    @property
    def _learned(self) -> tuple[tuple[str, ...], ...]:
        """The labels that each output stands for."""
        return tuple((name,) for name in self.labels) if self.target == "labels" else tuple(self.regions.values())

    @property
    def _scored(self) -> tuple[tuple[str, ...], ...]:
        """The labels that each of `names` stands for."""
        return (*((name,) for name in self.labels), *self.regions.values())

    def _masks(self, label_map: Tensor, groups: Sequence[tuple[str, ...]]) -> Tensor:
        """(B,H,W) label map to (B,len(groups),H,W) bool: where any label of the group is."""
        one_hot = {name: label_map == value for name, value in self.labels.items()}
        return torch.stack([reduce(torch.logical_or, [one_hot[name] for name in group]) for group in groups], dim=1)


def num_outputs(contents: Contents, loss: Loss) -> int:
    """One for each label, or for each region.

    Raises:
        RecipeError: regions are to be learned that labels cannot be told from.
    """
    return len(_outputs(contents, loss))


def build(contents: Contents, loss: Loss, num_patients: int) -> Segmentation:
    """The task of these labels and regions.

    Raises:
        RecipeError: see `num_outputs`; or the weights are not one for each output.
    """
    require_weight_for_each(loss.class_weights, _outputs(contents, loss))
    criterion = MaskLoss(**loss.model_dump(exclude={"target"}))
    return Segmentation(contents.labels, contents.regions, num_patients, criterion, loss.target)


def _outputs(contents: Contents, loss: Loss) -> tuple[str, ...]:
    if loss.target == "labels":
        return tuple(contents.labels)
    nested(contents.labels, contents.regions)
    return tuple(contents.regions)


def _pixels(masks: Tensor) -> Tensor:
    """(B,N) of masks (B,N,H,W) bool; int64, which `sum` would take, is several times slower."""
    return masks.flatten(2).sum(2, dtype=torch.int32)
