"""How sure a classifier is before and after softmax, where it is right and where it is wrong.

Of each way to say it, also how well it tells the two apart: the chance that a right answer has the larger number than a
wrong one.

Sources: Hendrycks & Gimpel 2017, arXiv 1610.02136 (probability); Hendrycks 2022, arXiv 1911.11132 (largest logit).

Shapes: N images, K classes.
"""

from __future__ import annotations

import numpy as np
import torch

from glioray.evaluation.answers import Answers
from glioray.evaluation.class_figures import Panel, confidence_figure, reliability_figure
from glioray.evaluation.findings import Cell, Picture, Section, Table, interval_text
from glioray.evaluation.ranking import Ranking
from glioray.evaluation.scoring import Scores
from glioray.tasks.classification import NUM_BINS, bin_of

PROBABILITY, LOGIT, LEAD = "right_auc/probability", "right_auc/logit", "right_auc/logit_lead"
_LABELS = {
    LOGIT: "before softmax: logit of the answer",
    LEAD: "before softmax: its lead over the next logit",
    PROBABILITY: "after softmax: probability of the answer",
}
_ROWS = {LOGIT: "logit", LEAD: "lead in logits", PROBABILITY: "probability"}


def rankings(answers: Answers) -> tuple[Ranking, ...]:
    """Each way to say how sure an answer is, to be ranked by whether it is right."""
    chosen = answers.logits.gather(1, answers.predicted[:, None])[:, 0]
    others = answers.logits.scatter(1, answers.predicted[:, None], -torch.inf)
    values = {LOGIT: chosen, LEAD: chosen - others.amax(dim=1), PROBABILITY: answers.confidence}
    is_right = answers.is_right.numpy()
    return tuple(Ranking(name, found.double().numpy(), is_right) for name, found in values.items())


def sureness(answers: Answers, scores: Scores, bins: torch.Tensor) -> Section:
    """The section of the report.

    Args:
        answers: of all rows.
        scores: with those of `rankings`.
        bins: (NUM_BINS,2) the confidence summed by bin, and the right answers.
    """
    counts = torch.bincount(bin_of(answers.confidence), minlength=NUM_BINS)
    sure, right = (bins / counts[:, None]).T.numpy()
    found = rankings(answers)
    panels = [_panel(ranking, answers.probabilities.shape[1]) for ranking in found]
    pictures = (
        Picture(confidence_figure(panels, found[0].is_positive), "Share of right and of wrong answers"),
        Picture(reliability_figure(sure, right, counts.numpy()), _RELIABILITY),
    )
    body = tuple(_row(ranking, scores) for ranking in found)
    header = ("of the answer", "median, right", "median, wrong", "AUC")
    return Section("Confidence", f"{_TEXT} {answers.how}", pictures, Table(header, body))


def _panel(ranking: Ranking, num_classes: int) -> Panel:
    """A probability is drawn from chance to one, logits over their own range."""
    label, values = _LABELS[ranking.name], ranking.values
    if ranking.name == PROBABILITY:
        return Panel(label, values, min(1 / num_classes, 0.95), 1.0)
    return Panel(label, values, float(values.min()), float(values.max()))


def _row(ranking: Ranking, scores: Scores) -> tuple[Cell, ...]:
    medians = [_median(ranking.values[kind]) for kind in (ranking.is_positive, ~ranking.is_positive)]
    return (_ROWS[ranking.name], *medians, interval_text(scores.defined, ranking.name))


def _median(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return f"{np.median(values):.2f}" if len(values) else "–"


_TEXT = (
    "How sure it was of the answer that it gave. A model to rely on is unsure where it is wrong, and right as often as "
    "it says: the calibration error is the mean distance from that. AUC: the chance that a right answer "
    "has the larger number than a wrong one; 0.5 says nothing, 1 tells all."
)
_RELIABILITY = (
    "How often it was right where it was as sure; on the line it is as sure as it may be. Larger: more images."
)
