from __future__ import annotations

import monai.metrics
import pytest
import torch
from pydantic import ValidationError

from glioray.tasks import _contract as tasks
from glioray.tasks.segmentation import Loss, Segmentation

LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}
REGIONS = {"WT": ("necrotic", "edema", "enhancing"), "TC": ("necrotic", "enhancing")}


def task(num_patients: int = 1, **weights: float) -> Segmentation:
    return Segmentation(LABELS, REGIONS, num_patients, **weights)


def sure_of(mask: torch.Tensor) -> torch.Tensor:
    """(B,K,H,W) probabilities whose label map is the mask (B,H,W)."""
    return torch.stack([mask == value for value in LABELS.values()], dim=1).float()


def counted(predicted: list, truth: list, patients: list[int], num_patients: int) -> tasks.Counts:
    batch = {"mask": torch.tensor(truth, dtype=torch.uint8), "patient_index": torch.tensor(patients)}
    return task(num_patients).counts(sure_of(torch.tensor(predicted)), batch)


def test_the_label_map_takes_the_most_probable_label_above_one_half():
    probabilities = torch.tensor([[0.6, 0.4, 0.51, 0.5], [0.7, 0.3, 0.50, 0.5], [0.2, 0.1, 0.99, 0.5]])

    label_map = task().label_map(probabilities[None, :, None])

    assert label_map.tolist() == [[[2, 0, 4, 0]]]
    assert label_map.dtype == torch.uint8


def test_pixels_are_counted_by_hand_for_labels_and_regions():
    counts = counted([[[1, 1, 4, 0]]], [[[1, 2, 1, 4]]], [0], 1)

    by_name = dict(zip(task().names, counts["pixels"][0].tolist(), strict=True))
    assert by_name == {
        "necrotic": [1, 1, 1],
        "edema": [0, 0, 1],
        "enhancing": [0, 1, 1],
        "WT": [3, 0, 1],
        "TC": [2, 1, 1],
    }


def test_metrics_of_a_hand_counted_patient():
    metrics = task().metrics(counted([[[1, 1, 4, 0]]], [[[1, 2, 1, 4]]], [0], 1))

    assert metrics["dice/necrotic"] == 0.5
    assert metrics["dice/WT"] == pytest.approx(6 / 7)
    assert metrics["iou/TC"] == 0.5
    assert metrics["precision/necrotic"] == 0.5
    assert metrics["recall/WT"] == 0.75
    assert metrics["dice"] == pytest.approx((0.5 + 0 + 0) / 3)


def test_slices_of_a_patient_are_pooled_and_patients_averaged():
    # Patient 0: one slice right, one false alarm. Patient 1: right.
    truth = [[[1, 1]], [[0, 0]], [[1, 0]]]
    predicted = [[[1, 1]], [[1, 1]], [[1, 0]]]

    metrics = task(2).metrics(counted(predicted, truth, [0, 0, 1], 2))

    assert metrics["dice/necrotic"] == pytest.approx((2 * 2 / (2 * 2 + 2) + 1) / 2)


def test_a_label_in_neither_is_no_score_and_a_false_alarm_is_zero():
    truth, predicted = [[[0, 0]], [[0, 0]]], [[[0, 0]], [[1, 0]]]

    dice = task(2).by_patient(counted(predicted, truth, [0, 1], 2))["dice"][:, 0]

    assert dice.isnan().tolist() == [True, False]
    assert dice[1] == 0
    assert task(2).metrics(counted(predicted, truth, [0, 1], 2))["dice/necrotic"] == 0


def test_precision_needs_a_prediction_and_recall_a_truth():
    measured = task(2).by_patient(counted([[[0, 0]], [[1, 0]]], [[[1, 0]], [[0, 0]]], [0, 1], 2))

    assert measured["precision"][:, 0].isnan().tolist() == [True, False]
    assert measured["recall"][:, 0].isnan().tolist() == [False, True]


def test_counts_of_two_batches_add_up_to_those_of_one():
    generator = torch.Generator().manual_seed(0)
    truth, predicted = torch.randint(0, 5, (2, 6, 4, 4), generator=generator).tolist()
    patients = [0, 1, 1, 0, 2, 2]

    whole = counted(predicted, truth, patients, 3)
    parts = tasks.add(
        counted(predicted[:3], truth[:3], patients[:3], 3), counted(predicted[3:], truth[3:], patients[3:], 3)
    )

    assert torch.equal(whole["pixels"], parts["pixels"])


def test_dice_and_iou_of_a_volume_equal_those_of_monai():
    generator = torch.Generator().manual_seed(0)
    truth, predicted = torch.randint(0, 5, (2, 1, 3, 8, 8), generator=generator)
    values = torch.tensor(list(LABELS.values())).view(1, 3, 1, 1, 1)

    counts = counted(predicted[0].tolist(), truth[0].tolist(), [0, 0, 0], 1)

    # MONAI takes one volume (1,K,slices,H,W).
    y_pred, y = (predicted[:, None] == values).float(), (truth[:, None] == values).float()
    measured = task().by_patient(counts)
    torch.testing.assert_close(measured["dice"][:, :3].float(), monai.metrics.compute_dice(y_pred, y))
    torch.testing.assert_close(measured["iou"][:, :3].float(), monai.metrics.compute_iou(y_pred, y))


def test_a_probability_that_is_not_a_number_is_no_prediction():
    nothing = torch.full((1, 3, 1, 2), torch.nan)

    assert task().label_map(nothing).tolist() == [[[0, 0]]]


def test_the_loss_punishes_false_positives_where_the_label_is_absent():
    logits = torch.zeros(2, 3, 4, 4, requires_grad=True)
    batch = {"mask": torch.zeros(2, 4, 4, dtype=torch.uint8)}

    task(bce_weight=0).loss(logits, batch).backward()

    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_the_loss_pulls_up_where_the_label_is_and_down_where_it_is_not():
    logits = torch.zeros(1, 3, 1, 2, requires_grad=True)

    task(bce_weight=0).loss(logits, {"mask": torch.tensor([[[1, 0]]], dtype=torch.uint8)}).backward()

    assert logits.grad is not None
    assert logits.grad[0, 0, 0, 0] < 0 < logits.grad[0, 0, 0, 1]


def test_the_loss_is_the_weighted_sum_of_its_parts():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    batch = {"mask": torch.randint(0, 5, (2, 4, 4), generator=generator).to(torch.uint8)}

    def loss(bce_weight: float, dice_weight: float) -> float:
        return task(bce_weight=bce_weight, dice_weight=dice_weight).loss(logits, batch).item()

    truth = torch.stack([batch["mask"] == value for value in LABELS.values()], dim=1).float()
    cross_entropy = torch.nn.functional.binary_cross_entropy(logits.sigmoid(), truth).item()
    overlap, areas = (logits.sigmoid() * truth).sum((0, 2, 3)), (logits.sigmoid() + truth).sum((0, 2, 3))
    assert loss(1, 0) == pytest.approx(cross_entropy, rel=1e-5)
    assert loss(0, 1) == pytest.approx((1 - (2 * overlap + 1) / (areas + 1)).mean().item(), rel=1e-5)
    assert loss(2, 3) == pytest.approx(2 * loss(1, 0) + 3 * loss(0, 1), rel=1e-5)


def test_the_loss_of_a_sure_right_answer_is_near_zero_and_of_a_wrong_one_large():
    mask = torch.tensor([[[1, 2], [4, 0]]], dtype=torch.uint8)
    right = (sure_of(mask) - 0.5) * 40

    assert task().loss(right, {"mask": mask}).item() == pytest.approx(0, abs=1e-4)
    assert task().loss(-right, {"mask": mask}).item() > 10


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="bce_weight and dice_weight are both 0"):
        Loss(bce_weight=0, dice_weight=0)
