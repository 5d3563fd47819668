"""Which kind of tumor a slice shows: cross-entropy, and metrics from a confusion matrix.

Shapes: B images, K classes. A batch has `label` (B,) int64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat
from torch import Tensor

from glioray.tasks._contract import Batch, Contents, Counts, LossConfig, require_weight_for_each


class Loss(LossConfig):
    """Cross-entropy."""

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the truth spread over all classes")
    class_weights: tuple[PositiveFloat, ...] | None = Field(None, description="of each class; none weighs all alike")


@dataclass(frozen=True)
class Classification:
    """One class for each image."""

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    score: str = "balanced_accuracy"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in float32, mean over the batch."""
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights, dtype=torch.float32)
        return F.cross_entropy(logits.float(), batch["label"], weights, label_smoothing=self.label_smoothing)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B,K), each row summing to one."""
        return logits.float().softmax(dim=1)

    def counts(self, probabilities: Tensor, batch: Batch) -> Counts:
        """`confusion` (K,K) of truth by prediction, and the sum of the confidences."""
        confidence, predicted = probabilities.max(dim=1)
        num_classes = len(self.classes)
        cells = torch.bincount(batch["label"] * num_classes + predicted, minlength=num_classes**2)
        return {
            "confusion": cells.reshape(num_classes, num_classes).double(),
            "confidence": confidence.double().sum(),
        }

    def zero_counts(self) -> Counts:
        """The counts of no rows."""
        num_classes = len(self.classes)
        return {
            "confusion": torch.zeros(num_classes, num_classes, dtype=torch.float64),
            "confidence": torch.zeros((), dtype=torch.float64),
        }

    def metrics(self, counts: Counts) -> dict[str, float]:
        """Accuracy, balanced accuracy, macro F1, mean confidence; recall and precision of each class."""
        confusion = counts["confusion"]
        right, true, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        recall = right / true
        f1 = 2 * right / (true + predicted)
        return {
            "accuracy": float(right.sum() / true.sum()),
            "balanced_accuracy": float(recall.nanmean()),
            "f1": float(f1.nanmean()),
            "confidence": float(counts["confidence"] / true.sum()),
            **{f"recall/{name}": float(value) for name, value in zip(self.classes, recall, strict=True)},
            **{f"precision/{name}": float(value) for name, value in zip(self.classes, right / predicted, strict=True)},
        }


def num_outputs(contents: Contents, loss: Loss) -> int:
    """One for each class."""
    del loss
    return len(contents.classes)


def build(contents: Contents, loss: Loss, num_patients: int) -> Classification:
    """The task of these classes; a confusion matrix needs no patients."""
    del num_patients
    require_weight_for_each(loss.class_weights, contents.classes)
    return Classification(contents.classes, loss.label_smoothing, loss.class_weights)
