"""What a classifier says of every row of a side, before and after softmax.

Shapes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glioray.data.progress import OnCount
from glioray.evaluation.side import SideRows
from glioray.registry.bundle import BundleConfig
from glioray.registry.card import answering
from glioray.serving.predictor import Predictor


@dataclass(frozen=True)
class Answers:
    """The truth (N,), the probabilities (N,K) and the logits (N,K) of every row."""

    truth: Tensor
    probabilities: Tensor
    logits: Tensor
    how: str = ""
    """how logits became probabilities, in a sentence or two"""

    @property
    def predicted(self) -> Tensor:
        """(N,) the most probable class."""
        return self.probabilities.argmax(dim=1)

    @property
    def confidence(self) -> Tensor:
        """(N,) its probability."""
        return self.probabilities.amax(dim=1)

    @property
    def is_right(self) -> Tensor:
        """(N,) whether it is the truth."""
        return self.predicted == self.truth


def answer(predictor: Predictor, rows: SideRows, batch_size: int, on_progress: OnCount) -> Answers:
    """Predicts every row of a side."""
    answered = rows.answered(predictor.classified, batch_size, on_progress)
    truth, probabilities, logits = zip(*((batch["label"], *found) for batch, found in answered), strict=True)
    return Answers(torch.cat(truth), torch.cat(probabilities), torch.cat(logits), how(predictor.config))


def joined(parts: Sequence[Answers]) -> Answers:
    """Of several sides, in their order."""
    truth, probabilities, logits = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("truth", "probabilities", "logits")
    )
    return Answers(truth, probabilities, logits, " ".join(dict.fromkeys(part.how for part in parts)))


def how(config: BundleConfig) -> str:
    """How a model's logits became its probabilities."""
    done = ["softmax", *answering(config)]
    done.append(f"a temperature of {config.temperature:.2f}, chosen on val" if config.calibration else "no temperature")
    logits = "before the temperature"
    logits += ", their mean over the same copies" if config.flips != "none" else ""
    logits += ", and of an average the logarithms of the mean probability" if config.members else ""
    return f"Probability: {'; '.join(done)}. Logits: {logits}."
