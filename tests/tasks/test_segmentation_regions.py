"""Regions that overlap, each learned by an output of its own."""

from __future__ import annotations

import pytest
import torch

from glioray.data.records import Contents
from glioray.errors import RecipeError
from glioray.tasks._losses import MaskLoss
from glioray.tasks.segmentation import Loss, Segmentation, build, num_outputs

LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}
NESTED = {"WT": ("necrotic", "edema", "enhancing"), "TC": ("necrotic", "enhancing"), "ET": ("enhancing",)}
LGG = Contents(task="segmentation", channels=("flair",), labels={"flair_abnormality": 1}, citation="toy")
WHOLE = LGG.model_copy(update={"regions": {"whole": ("flair_abnormality",)}})
BRATS = Contents(task="segmentation", channels=("t1",), labels=LABELS, regions=NESTED, citation="toy")


def of_regions(**weights: float) -> Segmentation:
    return Segmentation(LABELS, NESTED, 1, MaskLoss(**weights), "regions")


def test_regions_are_learned_each_by_an_output_of_its_own():
    logits = torch.zeros(1, 3, 1, 4, requires_grad=True)

    of_regions().loss(logits, {"mask": torch.tensor([[[2, 1, 4, 0]]], dtype=torch.uint8)}).backward()

    assert logits.grad is not None
    assert (logits.grad[0, :, 0] < 0).tolist() == [
        [True, True, True, False],
        [False, True, True, False],
        [False, False, True, False],
    ]


def test_exact_outputs_of_regions_make_the_mask_again():
    mask = torch.randint(0, 4, (2, 5, 5), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([0, 1, 2, 4], dtype=torch.uint8)[mask]
    exact = torch.stack([torch.isin(mask, torch.tensor([LABELS[n] for n in names])) for names in NESTED.values()], 1)

    assert torch.equal(of_regions().label_map(exact.float()), mask)
    assert of_regions(dice_weight=0).loss((exact.float() - 0.5) * 80, {"mask": mask}).item() == pytest.approx(0)


def test_there_is_an_output_for_each_label_or_each_region():
    assert num_outputs(BRATS, Loss()) == num_outputs(BRATS, Loss(target="regions")) == 3
    assert num_outputs(LGG, Loss()) == 1
    assert num_outputs(WHOLE, Loss(target="regions")) == 1
    assert build(BRATS, Loss(target="regions"), 1).target == "regions"
    assert of_regions().score == "region_dice"


def test_regions_of_data_without_regions_are_refused():
    with pytest.raises(RecipeError, match="the data have none, only labels .flair_abnormality.: take `loss.target"):
        num_outputs(LGG, Loss(target="regions"))


def test_class_weights_that_are_not_one_for_each_output_are_refused():
    with pytest.raises(RecipeError, match="class_weights has 2 values, the data have 3 outputs: WT, TC, ET"):
        build(BRATS, Loss(target="regions", class_weights=(1, 2)), 1)
