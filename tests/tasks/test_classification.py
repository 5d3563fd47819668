from __future__ import annotations

import math

import monai.losses
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
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


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30))
def test_images_dealt_to_workers_in_any_way_add_up_to_the_same_figures(rows):
    truth, predicted, _ = zip(*rows, strict=True)
    whole, parts = counted(list(truth), list(predicted)), TASK.zero_counts()
    for worker in range(4):
        mine = [row for row in rows if row[2] == worker]
        parts = tasks.add(parts, counted([row[0] for row in mine], [row[1] for row in mine])) if mine else parts

    assert torch.equal(parts["confusion"], whole["confusion"])
    assert TASK.metrics(parts) == pytest.approx(TASK.metrics(whole), nan_ok=True)
    right = {number for number, (label, answer, _) in enumerate(rows) if label == answer}
    assert TASK.metrics(whole)["accuracy"] == pytest.approx(len(right) / len(rows))


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


def soft(rows: list[list[float]]) -> dict[str, torch.Tensor]:
    return {"label": torch.zeros(len(rows), dtype=torch.long), "soft_label": torch.tensor(rows)}


def test_a_mixed_image_costs_its_shares_of_the_classes():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    log_probabilities = logits.log_softmax(1)[0]

    loss = TASK.loss(logits, soft([[0.25, 0.75, 0.0]]))

    assert loss.item() == pytest.approx(-(0.25 * log_probabilities[0] + 0.75 * log_probabilities[1]).item())


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 4.0)])
def test_soft_labels_that_are_sure_cost_what_hard_ones_do(weights, gamma):
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 1, 2, 1])
    task = Classification(TASK.classes, 0.1, weights, gamma)

    mixed = {"label": label.flip(0), "soft_label": torch.nn.functional.one_hot(label, 3).float()}

    assert task.loss(logits, mixed).item() == pytest.approx(task.loss(logits, {"label": label}).item())


def test_a_mixed_image_weighs_what_its_shares_weigh():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    of_rows = -logits.log_softmax(1)

    loss = Classification(TASK.classes, class_weights=(1.0, 3.0, 1.0)).loss(logits, soft([[0.5, 0.5, 0], [1, 0, 0]]))

    assert loss.item() == pytest.approx(
        ((0.5 * of_rows[0, 0] + 1.5 * of_rows[0, 1] + of_rows[1, 0]) / (0.5 + 1.5 + 1)).item()
    )


def test_soft_labels_are_smoothed_as_torch_smooths_them():
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    batch = soft([[0.25, 0.75, 0.0], [0.0, 0.5, 0.5]])

    theirs = torch.nn.functional.cross_entropy(logits, batch["soft_label"], label_smoothing=0.2)

    assert Classification(TASK.classes, 0.2).loss(logits, batch).item() == pytest.approx(theirs.item())


def test_the_focal_loss_counts_sure_images_less():
    logits, batch = torch.tensor([[0.0, 0.0, 0.0]]), {"label": torch.tensor([1])}

    loss = Classification(TASK.classes, focal_gamma=2).loss(logits, batch)

    assert loss.item() == pytest.approx((2 / 3) ** 2 * math.log(3))


def test_the_focal_loss_equals_that_of_monai():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 1, 2, 2, 0])
    theirs = monai.losses.FocalLoss(gamma=1.5, use_softmax=True, to_onehot_y=True, reduction="none")

    loss = Classification(TASK.classes, focal_gamma=1.5).loss(logits, {"label": label})

    assert loss.item() == pytest.approx(theirs(logits, label[:, None]).sum(1).mean().item())


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_gradient_of_the_focal_loss_is_finite_where_the_answer_is_sure(gamma):
    logits = torch.tensor([[60.0, -60.0, 0.0], [-60.0, 60.0, 0.0]], requires_grad=True)

    Classification(TASK.classes, focal_gamma=gamma).loss(logits, {"label": torch.tensor([0, 0])}).backward()

    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1, 0] < 0


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_loss_takes_bf16_and_computes_in_float32(gamma):
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    batch = {"label": torch.tensor([0, 1, 2, 1])}
    task = Classification(TASK.classes, 0.1, (1.0, 2.0, 4.0), gamma)

    loss = task.loss(logits, batch)

    assert loss.dtype == torch.float32
    assert loss.item() == task.loss(logits.float(), batch).item()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValidationError):
        Loss(label_smoothing=smoothing)
