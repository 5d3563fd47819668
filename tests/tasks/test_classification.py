from __future__ import annotations

import pytest
import sklearn.metrics
import torch
from pydantic import ValidationError

from glioray.tasks import _contract as tasks
from glioray.tasks.classification import Classification, Loss

TASK = Classification(("a", "b", "c"))


def counted(truth: list[int], predicted: list[int], confidence: float = 0.8) -> tasks.Counts:
    rest = (1 - confidence) / 2
    probabilities = torch.full((len(truth), 3), rest)
    probabilities[range(len(truth)), predicted] = confidence
    return TASK.counts(probabilities, {"label": torch.tensor(truth)})


def test_the_confusion_has_the_truth_in_its_rows():
    counts = counted([0, 0, 1, 2], [0, 1, 1, 0])

    assert counts["confusion"].tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert counts["confusion"].dtype == torch.float64


def test_metrics_of_a_hand_counted_case():
    metrics = TASK.metrics(counted([0, 0, 0, 1, 2, 2], [0, 0, 1, 1, 2, 0]))

    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert metrics["f1"] == pytest.approx((4 / 6 + 2 / 3 + 2 / 3) / 3)
    assert metrics["recall/a"] == pytest.approx(2 / 3)
    assert metrics["precision/b"] == pytest.approx(1 / 2)
    assert metrics["confidence"] == pytest.approx(0.8)


def test_metrics_equal_those_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    truth, predicted = torch.randint(0, 3, (2, 200), generator=generator).tolist()

    metrics = TASK.metrics(counted(truth, predicted))

    assert metrics["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    assert metrics["balanced_accuracy"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, predicted))
    assert metrics["f1"] == pytest.approx(sklearn.metrics.f1_score(truth, predicted, average="macro"))


def test_counts_of_two_batches_add_up_to_those_of_one():
    truth, predicted = [0, 1, 2, 2, 1], [0, 2, 2, 0, 1]

    whole = counted(truth, predicted)
    parts = tasks.add(counted(truth[:2], predicted[:2]), counted(truth[2:], predicted[2:]))

    assert torch.equal(whole["confusion"], parts["confusion"])
    assert TASK.metrics(parts) == pytest.approx(TASK.metrics(whole))


def test_a_class_that_is_not_there_is_left_out_of_the_means():
    metrics = TASK.metrics(counted([0, 1], [0, 1]))

    assert metrics["balanced_accuracy"] == metrics["f1"] == 1.0
    assert metrics["recall/c"] != metrics["recall/c"]


def test_a_class_that_is_only_predicted_costs_f1():
    assert TASK.metrics(counted([0, 0], [0, 2]))["f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_probabilities_sum_to_one_and_are_float32_even_of_bf16():
    probabilities = TASK.probabilities(torch.tensor([[30.0, -30.0, 0.0]], dtype=torch.bfloat16))

    assert probabilities.dtype == torch.float32
    assert probabilities.sum().item() == pytest.approx(1)


def test_the_loss_is_the_cross_entropy_with_smoothing():
    logits, label = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    log_probabilities = logits.log_softmax(1)[0]

    assert TASK.loss(logits, {"label": label}).item() == pytest.approx(-log_probabilities[0].item())
    smoothed = Classification(TASK.classes, label_smoothing=0.3).loss(logits, {"label": label})
    assert smoothed.item() == pytest.approx(-(0.7 * log_probabilities[0] + 0.1 * log_probabilities.sum()).item())


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValidationError):
        Loss(label_smoothing=smoothing)
