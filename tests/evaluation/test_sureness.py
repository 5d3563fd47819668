from __future__ import annotations

import numpy as np
import pytest
import torch

from glioray.evaluation.answers import Answers
from glioray.evaluation.ranking import ranking_scores
from glioray.evaluation.scoring import Circumstances
from glioray.evaluation.sureness import LEAD, LOGIT, PROBABILITY, rankings, sureness
from glioray.tasks.classification import NUM_BINS

# The third answer is the only wrong one: its logit is the largest, its lead the smallest.
ANSWERS = Answers(
    truth=torch.tensor([0, 1, 1]),
    probabilities=torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
    logits=torch.tensor([[2.0, -1.0], [0.0, 1.5], [5.0, 4.5]]),
    how="Probability: softmax.",
)
SCORES = ranking_scores(rankings(ANSWERS), np.arange(3), Circumstances("test", 3, "groups", 0))


def test_each_way_to_be_sure_is_that_of_the_class_that_was_answered():
    found = {ranking.name: ranking.values.tolist() for ranking in rankings(ANSWERS)}

    assert found == {
        LOGIT: [2.0, 1.5, 5.0],
        LEAD: [3.0, 1.5, 0.5],
        PROBABILITY: pytest.approx([0.9, 0.8, 0.6]),
    }


def test_what_tells_right_from_wrong_has_an_area_of_one():
    assert {score.name: score.value for score in SCORES.defined} == {LOGIT: 0.0, LEAD: 1.0, PROBABILITY: 1.0}


def test_the_section_shows_both_sides_of_the_softmax_and_says_what_was_done():
    section = sureness(ANSWERS, SCORES, torch.ones(NUM_BINS, 2))

    assert [row[1:3] for row in section.table.rows] == [("1.75", "5.00"), ("2.25", "0.50"), ("0.85", "0.60")]
    assert [row[0] for row in section.table.rows] == ["logit", "lead in logits", "probability"]
    assert section.text.endswith("Probability: softmax.")
