from __future__ import annotations

import math

import monai.losses
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from glioray.tasks._losses import MaskLoss, over_levels

OFF = {"bce_weight": 0.0, "dice_weight": 0.0}
ALONE = {name: {**OFF, f"{name}_weight": 1.0} for name in ("bce", "dice", "focal", "tversky")}


def example() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 4, 4, generator=generator), torch.rand(2, 3, 4, 4, generator=generator).round()


def test_the_cross_entropy_is_the_mean_over_pixels():
    logits, truth = example()

    loss = MaskLoss(**ALONE["bce"])(logits, truth)

    assert loss.item() == pytest.approx(binary_cross_entropy(logits.sigmoid(), truth).item())


def test_the_dice_loss_is_pooled_over_the_batch_and_smoothed_by_one_pixel():
    logits, truth = example()
    overlap, areas = (logits.sigmoid() * truth).sum((0, 2, 3)), (logits.sigmoid() + truth).sum((0, 2, 3))

    loss = MaskLoss(**ALONE["dice"])(logits, truth)

    assert loss.item() == pytest.approx((1 - (2 * overlap + 1) / (areas + 1)).mean().item())


def test_the_focal_loss_counts_sure_pixels_less():
    logits, truth = (
        torch.tensor([math.log(3.0), math.log(3.0)]).view(1, 1, 1, 2),
        torch.tensor([1.0, 0]).view(1, 1, 1, 2),
    )

    loss = MaskLoss(**ALONE["focal"], focal_gamma=2)(logits, truth)

    right, wrong = 0.25**2 * -math.log(0.75), 0.75**2 * -math.log(0.25)
    assert loss.item() == pytest.approx((right + wrong) / 2)


def test_the_tversky_loss_costs_more_where_a_pixel_is_missed():
    logits, truth = torch.full((1, 1, 1, 5), -math.log(3.0)), torch.tensor([1.0, 0, 0, 0, 0]).view(1, 1, 1, 5)

    loss = MaskLoss(**ALONE["tversky"], tversky_alpha=0.2, tversky_beta=0.6)(logits, truth)

    both, over, under = 0.25, 1.0, 0.75
    assert loss.item() == pytest.approx(1 - (both + 1) / (both + 0.2 * over + 0.6 * under + 1))


def test_the_loss_is_the_weighted_sum_of_its_parts():
    logits, truth = example()
    alone = {name: MaskLoss(**weights)(logits, truth).item() for name, weights in ALONE.items()}

    loss = MaskLoss(bce_weight=2, dice_weight=3, focal_weight=5, tversky_weight=7)(logits, truth)

    assert loss.item() == pytest.approx(
        2 * alone["bce"] + 3 * alone["dice"] + 5 * alone["focal"] + 7 * alone["tversky"]
    )


def test_the_foreground_weight_is_of_the_true_pixels():
    logits, truth = torch.zeros(1, 1, 1, 4), torch.tensor([1.0, 0, 0, 0]).view(1, 1, 1, 4)

    loss = MaskLoss(**ALONE["bce"], foreground_weight=5)(logits, truth)

    assert loss.item() == pytest.approx((5 + 3) / 4 * math.log(2))


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_class_weights_are_of_the_outputs(name):
    logits, truth = example()
    alone = [MaskLoss(**ALONE[name])(logits[:, [k]], truth[:, [k]]).item() for k in range(3)]

    loss = MaskLoss(**ALONE[name], class_weights=(1.0, 2.0, 4.0))(logits, truth)

    assert loss.item() == pytest.approx((alone[0] + 2 * alone[1] + 4 * alone[2]) / 3)


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_one_output_may_have_a_weight(name):
    logits, truth = (values[:, :1] for values in example())

    once, twice = (MaskLoss(**ALONE[name], class_weights=weights)(logits, truth) for weights in ((1.0,), (2.0,)))

    assert twice.item() == pytest.approx(2 * once.item())


@pytest.mark.parametrize("name", list(ALONE))
def test_every_part_pulls_up_where_the_truth_is_and_down_where_it_is_not(name):
    truth = example()[1]
    logits = torch.zeros(truth.shape, requires_grad=True)

    MaskLoss(**ALONE[name])(logits, truth).backward()

    assert logits.grad is not None
    assert torch.equal(logits.grad < 0, truth == 1)
    assert (logits.grad != 0).all()


@pytest.mark.parametrize("name", list(ALONE))
def test_every_part_costs_pixels_of_an_output_that_is_in_no_slice(name):
    logits = torch.zeros(2, 1, 3, 3, requires_grad=True)

    MaskLoss(**ALONE[name])(logits, torch.zeros_like(logits)).backward()

    assert logits.grad is not None
    assert (logits.grad > 0).all()


@pytest.mark.parametrize("name", list(ALONE))
def test_every_part_is_near_zero_where_the_answer_is_right_and_large_where_it_is_not(name):
    truth = example()[1]
    sure = (truth - 0.5) * 200

    right, wrong = MaskLoss(**ALONE[name])(sure, truth).item(), MaskLoss(**ALONE[name])(-sure, truth).item()

    assert right == pytest.approx(0, abs=1e-5)
    assert math.isfinite(wrong)
    assert wrong > 0.8


def test_a_part_of_weight_zero_is_not_computed():
    logits, truth = torch.full((1, 1, 1, 1), torch.inf), torch.ones(1, 1, 1, 1)

    assert MaskLoss(bce_weight=0, dice_weight=1)(logits, truth).item() == 0  # cross-entropy of inf is not a number


def test_levels_weigh_half_as_much_each_and_one_together():
    levels = [torch.full((1, 1, size, size), cost) for size, cost in ((4, 1.0), (2, 10.0), (1, 100.0))]

    loss = over_levels(lambda logits, _truth: logits.mean(), levels, torch.zeros(1, 1, 4, 4))

    assert loss.item() == pytest.approx((1 + 10 / 2 + 100 / 4) / (1 + 1 / 2 + 1 / 4))


def test_levels_cost_what_those_of_monai_do_but_for_the_sum_of_the_weights():
    generator = torch.Generator().manual_seed(0)
    levels = [torch.randn(2, 1, size, size, generator=generator) for size in (8, 4, 2)]
    truth = torch.rand(2, 1, 8, 8, generator=generator).round()
    dice = monai.losses.DiceLoss(sigmoid=True)

    theirs = monai.losses.DeepSupervisionLoss(dice)(levels, truth)

    assert over_levels(dice, levels, truth).item() == pytest.approx(theirs.item() / 1.75)


def test_the_finest_level_must_have_the_size_of_the_mask():
    with pytest.raises((ValueError, AssertionError)):
        over_levels(MaskLoss(), [torch.zeros(1, 1, 2, 2)], torch.zeros(1, 1, 4, 4))
