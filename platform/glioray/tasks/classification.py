"""Which kind of tumor a slice shows: cross-entropy, and metrics from a confusion matrix.

Shapes: B images, K classes. A batch has `label` (B,) int64; where images were mixed, also `soft_label` (B,K) float32,
each row summing to one, from which is learned in its place.

Source of the expected calibration error: Guo 2017, arXiv 1706.04599, with 15 bins of the same width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat
from torch import Tensor

from glioray.tasks._contract import Batch, Contents, Counts, Logits, LossConfig, require_weight_for_each


class Loss(LossConfig):
    """Cross-entropy, or focal loss."""

    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of the truth spread over all classes (Szegedy 2016, arXiv 1512.00567)"
    )
    focal_gamma: float = Field(
        0.0, ge=0, le=5, description="how little sure images count; 0 is cross-entropy (Lin 2017, arXiv 1708.02002)"
    )
    class_weights: tuple[PositiveFloat, ...] | None = Field(None, description="of each class; none weighs all alike")


NUM_BINS = 15


@dataclass(frozen=True)
class Classification:
    """One class for each image."""

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    focal_gamma: float = 0.0
    score: str = "balanced_accuracy"

    def loss(self, logits: Logits, batch: Batch) -> Tensor:
        """In float32, mean over the batch, each image weighing what its class or its share of classes weighs."""
        assert isinstance(logits, Tensor), "a classifier gives one tensor"
        logits, truth = logits.float(), batch.get("soft_label")
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        if truth is None and not self.focal_gamma:
            return F.cross_entropy(logits, batch["label"], weights, label_smoothing=self.label_smoothing)
        if truth is None:
            truth = F.one_hot(batch["label"], len(self.classes)).float()
        weights = torch.ones_like(logits[0]) if weights is None else weights
        smoothed = truth * (1 - self.label_smoothing) + self.label_smoothing / len(self.classes)
        # cross_entropy would divide soft labels by the rows, but hard ones by their weights.
        return (weights * smoothed * self._surprise(logits)).sum() / (weights * truth).sum()

    def _surprise(self, logits: Tensor) -> Tensor:
        """(B,K) -log p of each class, less for sure ones where the loss is focal."""
        log_p = logits.log_softmax(dim=1)
        if not self.focal_gamma:
            return -log_p
        # MONAI's softmax_focal_loss has no finite gradient for gamma < 1 where p is 1.
        others = -torch.expm1(log_p)
        return -log_p * others.clamp(min=torch.finfo(torch.float32).tiny).pow(self.focal_gamma)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B,K), each row summing to one."""
        return logits.float().softmax(dim=1)

    def counts(self, probabilities: Tensor, batch: Batch) -> Counts:
        """`confusion` (K,K) of truth by prediction, and `bins` (NUM_BINS,2): summed confidence and right answers."""
        confidence, predicted = probabilities.max(dim=1)
        num_classes = len(self.classes)
        cells = torch.bincount(batch["label"] * num_classes + predicted, minlength=num_classes**2)
        found = torch.stack([confidence.double(), (predicted == batch["label"]).double()], dim=1)
        return {
            "confusion": cells.reshape(num_classes, num_classes).double(),
            "bins": found.new_zeros(NUM_BINS, 2).index_add_(0, bin_of(confidence), found),
        }

    def zero_counts(self) -> Counts:
        """The counts of no rows."""
        num_classes = len(self.classes)
        return {
            "confusion": torch.zeros(num_classes, num_classes, dtype=torch.float64),
            "bins": torch.zeros(NUM_BINS, 2, dtype=torch.float64),
        }

    def metrics(self, counts: Counts) -> dict[str, float]:
        """Accuracy, balanced accuracy, macro F1, mean confidence and its error; recall and precision of each class."""
        confusion, (confidence, is_right) = counts["confusion"], counts["bins"].unbind(1)
        right, true, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        recall = right / true
        f1 = 2 * right / (true + predicted)
        return {
            "accuracy": float(right.sum() / true.sum()),
            "balanced_accuracy": float(recall.nanmean()),
            "f1": float(f1.nanmean()),
            "confidence": float(confidence.sum() / true.sum()),
            "ece": float((confidence - is_right).abs().sum() / true.sum()),
            **{f"recall/{name}": float(value) for name, value in zip(self.classes, recall, strict=True)},
            **{f"precision/{name}": float(value) for name, value in zip(self.classes, right / predicted, strict=True)},
        }


def bin_of(confidence: Tensor) -> Tensor:
    """The bin (B,) int64 of each confidence."""
    return (confidence * NUM_BINS).long().clamp(max=NUM_BINS - 1)


def num_outputs(contents: Contents, loss: Loss) -> int:
    """One for each class."""
    del loss
    return len(contents.classes)


def build(contents: Contents, loss: Loss, num_patients: int) -> Classification:
    """The task of these classes; a confusion matrix needs no patients."""
    del num_patients
    require_weight_for_each(loss.class_weights, contents.classes)
    return Classification(contents.classes, loss.label_smoothing, loss.class_weights, loss.focal_gamma)
