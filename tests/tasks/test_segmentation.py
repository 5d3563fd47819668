from __future__ import annotations

import monai.metrics
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from glioray.tasks import _contract as tasks
from glioray.tasks._losses import MaskLoss
from glioray.tasks.segmentation import Loss, Segmentation

LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}
REGIONS = {"WT": ("necrotic", "edema", "enhancing"), "TC": ("necrotic", "enhancing")}


def task(num_patients: int = 1, **weights: float) -> Segmentation:
    return Segmentation(LABELS, REGIONS, num_patients, MaskLoss(**weights))


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


def test_each_patient_counts_once_however_many_labels_it_has():
    both_right_and_wrong, one_right = [[1, 2, 0, 0]], [[1, 1, 0, 0]]
    counts = counted([[[1, 0, 0, 0]], one_right], [both_right_and_wrong, one_right], [0, 1], 2)

    assert task(2).metrics(counts)["dice"] == pytest.approx((0.5 + 1.0) / 2)


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


masks = arrays.arrays(np.uint8, (5, 3, 3), elements=st.sampled_from([0, 1, 2, 4]))


@given(masks, masks)
def test_every_measure_equals_that_of_sets_of_pixels(predicted, truth):
    found = task().by_patient(counted(predicted.tolist(), truth.tolist(), [0] * 5, 1))

    for place, names in enumerate((*([name] for name in LABELS), *REGIONS.values())):
        values = [LABELS[name] for name in names]
        marked, true = ({tuple(at) for at in np.argwhere(np.isin(mask, values))} for mask in (predicted, truth))
        both, either = marked & true, marked | true
        sets = {"dice": (2 * len(both), len(marked) + len(true)), "iou": (len(both), len(either))}
        sets |= {"precision": (len(both), len(marked)), "recall": (len(both), len(true))}
        for measure, (part, whole) in sets.items():
            expected = part / whole if whole else float("nan")
            assert float(found[measure][0, place]) == pytest.approx(expected, nan_ok=True), (measure, names)


@given(
    masks,
    masks,
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
    st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
def test_slices_dealt_to_workers_in_any_way_add_up_to_the_same_figures(predicted, truth, patients, workers):
    whole = counted(predicted.tolist(), truth.tolist(), patients, 3)
    parts = task(3).zero_counts()
    for worker in range(4):
        mine = [row for row in range(5) if workers[row] == worker]
        if mine:
            rows = (predicted[mine].tolist(), truth[mine].tolist(), [patients[row] for row in mine])
            parts = tasks.add(parts, counted(*rows, 3))

    assert torch.equal(parts["pixels"], whole["pixels"])
    assert task(3).metrics(parts) == pytest.approx(task(3).metrics(whole), nan_ok=True)


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


def test_the_loss_of_a_sure_right_answer_is_near_zero_and_of_a_wrong_one_large():
    mask = torch.tensor([[[1, 2], [4, 0]]], dtype=torch.uint8)
    right = (sure_of(mask) - 0.5) * 40

    assert task().loss(right, {"mask": mask}).item() == pytest.approx(0, abs=1e-4)
    assert task().loss(-right, {"mask": mask}).item() > 10


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="bce_weight and dice_weight are both 0"):
        Loss(bce_weight=0, dice_weight=0)

    assert Loss(bce_weight=0, dice_weight=0, tversky_weight=1).tversky_beta == 0.7


def test_counts_are_those_of_the_label_map():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(2, 3, 4, 4, generator=generator)
    batch = {"mask": torch.randint(0, 5, (2, 4, 4), generator=generator), "patient_index": torch.tensor([1, 0])}

    by_map = task(2).count_masks(task(2).label_map(probabilities), batch)

    assert torch.equal(task(2).counts(probabilities, batch)["pixels"], by_map["pixels"])
    assert by_map["pixels"].sum() > 0


def test_the_loss_takes_bf16_and_any_memory_format_and_computes_in_float32():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator).bfloat16()
    mask = torch.randint(0, 5, (2, 4, 4), generator=generator).to(torch.uint8)

    loss = task().loss(logits.to(memory_format=torch.channels_last), {"mask": mask})

    assert loss.dtype == torch.float32
    assert loss.item() == MaskLoss()(logits.float(), sure_of(mask)).item()


def test_one_level_of_logits_costs_what_the_logits_cost():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    batch = {"mask": torch.randint(0, 5, (2, 4, 4), generator=generator).to(torch.uint8)}

    assert task().loss((logits,), batch).item() == task().loss(logits, batch).item()


def test_every_level_is_compared_with_the_mask_of_its_size():
    mask = torch.tensor([[[1, 1, 2, 2], [1, 1, 2, 2], [4, 4, 0, 0], [4, 4, 0, 0]]], dtype=torch.uint8)
    levels = tuple(((sure_of(mask[:, ::step, ::step]) - 0.5) * 40).requires_grad_() for step in (1, 2))

    loss = task().loss(levels, {"mask": mask})
    loss.backward()

    assert loss.item() == pytest.approx(0, abs=1e-4)
    wrong = (levels[0].detach(), -levels[1].detach())
    assert task().loss(wrong, {"mask": mask}).item() > 5
    assert all(level.grad is not None and level.grad.abs().sum() > 0 for level in levels)


def test_regions_are_scored_by_their_own_mean_and_labels_by_theirs():
    counts = counted([[[1, 1, 4, 0]]], [[[1, 2, 1, 4]]], [0], 1)

    metrics = task().metrics(counts)

    assert metrics["region_dice"] == pytest.approx((6 / 7 + 4 / 6) / 2)
    assert metrics["region_recall"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert task().score == "dice"
    assert "region_dice" not in Segmentation({"a": 1}, {}, 1).metrics({"pixels": torch.ones(1, 1, 3)})
