from __future__ import annotations

import pytest
import torch

from glioray.data.augmentation import Augmentation
from glioray.data.mixing import mix
from glioray.errors import RecipeError
from glioray.recipe import Recipe


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Image i is i times 50 all over, of class i."""
    images = (50 * torch.arange(4)).to(torch.uint8)[:, None, None, None].expand(4, 2, 16, 16)
    return {"image": images.contiguous(), "label": torch.arange(4)}


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_an_image_holds_as_much_of_each_class_as_its_soft_label_says(batch: dict[str, torch.Tensor], name: str) -> None:
    torch.manual_seed(0)
    mixed = mix(batch, Augmentation(**{name: 1.0}), 4)
    gray = 50 * torch.arange(4).float()
    assert torch.allclose(mixed["soft_label"].sum(1), torch.ones(4))
    assert torch.allclose(mixed["image"].float().mean((1, 2, 3)), mixed["soft_label"] @ gray, atol=0.51)
    assert (mixed["soft_label"].amax(1) < 1).all()


def test_mixed_images_are_bytes_and_labels_stay(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    mixed = mix(batch, Augmentation(mixup=1.0), 5)
    assert mixed["image"].dtype == torch.uint8
    assert mixed["soft_label"].shape == (4, 5)
    assert torch.equal(mixed["label"], batch["label"])


def test_without_mixing_there_is_no_soft_label(batch: dict[str, torch.Tensor]) -> None:
    assert mix(batch, Augmentation(), 4).keys() == batch.keys()


def test_a_probability_leaves_the_other_batches_unmixed(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    settings = Augmentation(mixup=1.0, cutmix=1.0, mix_probability=0.3)
    share = sum("soft_label" in mix(batch, settings, 4) for _ in range(200)) / 200
    assert 0.2 < share < 0.4


def test_both_kinds_take_turns(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    settings = Augmentation(mixup=1.0, cutmix=1.0)
    one_gray = [mix(batch, settings, 4)["image"][1].unique().numel() == 1 for _ in range(40)]
    assert 8 < sum(one_gray) < 32  # a blend of flat images is flat, one with a box of another is not


def test_a_seed_repeats_the_mix(batch: dict[str, torch.Tensor]) -> None:
    def mixed() -> torch.Tensor:
        torch.manual_seed(3)
        return mix(batch, Augmentation(mixup=0.4, cutmix=1.0), 4)["soft_label"]

    assert torch.equal(mixed(), mixed())


def test_a_recipe_for_masks_refuses_to_mix_classes() -> None:
    unet = {"task": "segmentation", "data": {"path": "data/toy"}, "model": {"name": "classic_unet"}}
    with pytest.raises(RecipeError, match="augmentation.mixup and cutmix are of classes, the task is segmentation"):
        Recipe.from_values({**unet, "augmentation": {"mixup": 0.2}})
