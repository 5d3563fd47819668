from __future__ import annotations

import pytest
import torch

from glioray.tasks import _contract as tasks
from glioray.tasks.classification import Classification
from glioray.tasks.clean_up import CleanUpChoice, part_sizes, remove_small, with_clean_up
from glioray.tasks.segmentation import Segmentation

TASK = Segmentation({"a": 1, "b": 4}, {}, num_patients=2)


def label_map(*rows: list[int]) -> torch.Tensor:
    return torch.tensor([list(rows)], dtype=torch.uint8)


def sure_of(mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([mask == value for value in TASK.labels.values()], dim=1).float()


def test_parts_hang_together_over_corners_and_have_one_label():
    found_px = part_sizes(label_map([1, 0, 0, 1], [0, 1, 4, 4], [1, 0, 0, 0]))

    assert found_px.tolist() == [[[3, 0, 0, 1], [0, 3, 2, 2], [3, 0, 0, 0]]]


def test_parts_of_two_slices_do_not_hang_together():
    one = label_map([1, 1])

    assert part_sizes(torch.cat([one, one, torch.zeros_like(one)])).tolist() == [[[2, 2]], [[2, 2]], [[0, 0]]]


def test_smaller_parts_become_background_and_parts_of_the_size_stay():
    mask = label_map([1, 1, 0, 4], [0, 0, 0, 4], [1, 0, 0, 4])

    cleaned = remove_small(mask, 2)

    assert cleaned.tolist() == label_map([1, 1, 0, 4], [0, 0, 0, 4], [0, 0, 0, 4]).tolist()
    assert remove_small(mask, 3).tolist() == label_map([0, 0, 0, 4], [0, 0, 0, 4], [0, 0, 0, 4]).tolist()
    assert cleaned.dtype == torch.uint8


@pytest.mark.parametrize("size", [0, 1])
def test_nothing_is_smaller_than_one_pixel(size):
    mask = label_map([1, 0, 4])

    assert remove_small(mask, size) is mask


def test_a_batch_is_cleaned_as_its_slices_are():
    mask = torch.randint(0, 5, (4, 9, 9), generator=torch.Generator().manual_seed(0)).to(torch.uint8)

    one_by_one = torch.cat([remove_small(mask[[index]], 4) for index in range(4)])

    assert torch.equal(remove_small(mask, 4), one_by_one)
    assert 0 < one_by_one.count_nonzero() < mask.count_nonzero()


def test_without_candidates_the_task_stays_as_it_is():
    classification = Classification(("a", "b"))

    assert with_clean_up(TASK, ()) is TASK
    assert with_clean_up(classification, ()) is classification


def test_sizes_rise_from_zero():
    assert with_clean_up(TASK, (60, 20, 20, 0)) == CleanUpChoice(TASK, (0, 20, 60))


def test_the_counts_are_those_of_every_size():
    choice = with_clean_up(TASK, (2, 3))
    predicted = label_map([1, 1, 0, 1])
    batch = {"mask": label_map([1, 1, 0, 0]), "patient_index": torch.tensor([1])}

    counts = choice.counts(sure_of(predicted), batch)

    assert counts["pixels"].shape == choice.zero_counts()["pixels"].shape
    assert counts["pixels"][:, 1, 0].tolist() == [[2, 1, 0], [2, 0, 0], [0, 0, 2]]
    assert counts["pixels"].dtype == choice.zero_counts()["pixels"].dtype
    assert torch.equal(counts["pixels"][0], TASK.counts(sure_of(predicted), batch)["pixels"])


def test_the_size_that_scores_best_is_chosen_and_its_metrics_are_told():
    choice = with_clean_up(TASK, (2, 3))
    batch = {"mask": label_map([1, 1, 0, 0]), "patient_index": torch.tensor([1])}

    metrics = choice.metrics(tasks.add(choice.zero_counts(), choice.counts(sure_of(label_map([1, 1, 0, 1])), batch)))

    assert metrics["smallest_part_px"] == 2
    assert metrics[choice.score] == metrics["dice/a"] == 1
    assert [metrics[f"dice@{size}"] for size in (0, 2, 3)] == [pytest.approx(0.8), 1, 0]


def test_of_equal_scores_the_smallest_size_is_chosen():
    choice = with_clean_up(TASK, (2, 3))
    batch = {"mask": label_map([1, 1, 1, 0]), "patient_index": torch.tensor([0])}

    assert choice.metrics(choice.counts(sure_of(batch["mask"]), batch))["smallest_part_px"] == 0


def test_a_size_without_a_score_is_not_chosen_before_one_with_a_score():
    # A false alarm alone: without clean-up its Dice is 0, with it there is none.
    batch = {"mask": label_map([0, 0, 0]), "patient_index": torch.tensor([0])}
    choice = with_clean_up(TASK, (2,))

    metrics = choice.metrics(choice.counts(sure_of(label_map([1, 0, 0])), batch))

    assert metrics["smallest_part_px"] == 0
    assert metrics["dice@2"] != metrics["dice@2"]


def test_nothing_counted_is_no_clean_up():
    choice = with_clean_up(TASK, (2,))

    assert choice.metrics(choice.zero_counts())["smallest_part_px"] == 0


def test_regions_are_chosen_by_their_own_score():
    of_regions = Segmentation({"a": 1, "b": 4}, {"all": ("a", "b"), "b": ("b",)}, 1, target="regions")
    choice = with_clean_up(of_regions, (2,))
    batch = {"mask": label_map([1, 1, 4]), "patient_index": torch.tensor([0])}
    logits = torch.zeros(1, 2, 1, 3)

    metrics = choice.metrics(choice.counts(choice.probabilities(logits), batch))

    assert {"region_dice@0", "region_dice@2"} <= set(metrics)
    assert choice.loss(logits, batch).item() == of_regions.loss(logits, batch).item()
