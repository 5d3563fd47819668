from __future__ import annotations

import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from glioray.evaluation.answers import Answers
from glioray.evaluation.comparing.classes import agreement, contradiction, first_of_each, in_order

TRUTH = torch.tensor([0, 0, 1, 1, 2])


def answers(*classes: int, sure: float = 0.8) -> Answers:
    rest = (1 - sure) / 2
    probabilities = torch.full((len(classes), 3), rest)
    probabilities[range(len(classes)), list(classes)] = sure
    return Answers(TRUTH[: len(classes)], probabilities, probabilities.log())


def test_agreement_counts_same_answers_and_who_alone_is_right():
    one, other = answers(0, 0, 1, 2, 0), answers(0, 1, 1, 1, 0)

    found = agreement(one, other, torch.tensor([0, 0, 1, 1, 2]))

    assert found.value == pytest.approx(3 / 5)
    assert (found.only_first_right, found.only_second_right, found.both_wrong) == (1, 1, 1)
    assert found.kappa == pytest.approx(cohen_kappa_score([0, 0, 1, 2, 0], [0, 1, 1, 1, 0]))
    assert found.low is not None
    assert found.low < 3 / 5


def test_kappa_of_models_that_know_one_class_only_is_not_defined():
    assert agreement(answers(1, 1), answers(1, 1), torch.tensor([0, 1])).kappa is None


def test_a_contradiction_is_the_greater_the_surer_both_are_and_none_where_the_class_is_the_same():
    one, other = answers(0, 0, 1), answers(0, 1, 1, sure=0.5)

    assert contradiction([one, other]).tolist() == pytest.approx([0, 0.55, 0])
    assert contradiction([one, answers(0, 1, 1)]).tolist() == pytest.approx([0, 0.7, 0])


def test_of_each_group_the_first_is_shown():
    group_of_row = [7, 8, 7, 8, 9]

    assert first_of_each([4, 2, 0, 1, 3], group_of_row, most=9) == [4, 2, 1]
    assert first_of_each([4, 2, 0, 1, 3], group_of_row, most=2) == [4, 2]


def test_answers_are_put_in_the_order_of_another_model():
    found = in_order(answers(0, 1, 2), [2, 0, 1])

    assert found.predicted.tolist() == [2, 0, 1]
    assert found.truth.tolist() == [1, 0, 0]
