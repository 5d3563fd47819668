from __future__ import annotations

import pytest
import torch

from glioray.data.augmentation import Augmentation, augment

OFF = dict.fromkeys(Augmentation.model_fields, 0.0)


def only(**settings: float) -> Augmentation:
    return Augmentation(**{**OFF, **settings})


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Eight images with a bright block left of the middle, and its mask."""
    images = torch.zeros(8, 2, 32, 32, dtype=torch.uint8)
    images[:, :, 10:20, 6:14] = 200
    return {"image": images, "mask": (images[:, 0] > 0).to(torch.uint8), "patient_index": torch.arange(8)}


def test_all_zero_changes_nothing(batch: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(augment(batch, Augmentation(**OFF))[name], batch[name]) for name in batch)


def test_a_certain_flip_mirrors_image_and_mask_alike(batch: dict[str, torch.Tensor]) -> None:
    changed = augment(batch, only(horizontal_flip=1))
    assert torch.equal(changed["image"], batch["image"].flip(-1))
    assert torch.equal(changed["mask"], batch["mask"].flip(-1))


@pytest.mark.parametrize("settings", [{"rotation_degrees": 45}, {"scale": 0.4}, {"vertical_flip": 0.5}])
def test_the_mask_moves_with_its_image(batch: dict[str, torch.Tensor], settings: dict[str, float]) -> None:
    torch.manual_seed(0)
    changed = augment(batch, only(**settings))
    assert not torch.equal(changed["mask"], batch["mask"])
    bright, labeled = changed["image"][:, 0] > 100, changed["mask"] > 0
    overlap = (bright & labeled).sum((1, 2)) / (bright | labeled).sum((1, 2))
    assert overlap.min() > 0.8
    assert set(changed["mask"].unique().tolist()) == {0, 1}


def test_gray_levels_change_and_the_mask_does_not(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    changed = augment(batch, only(brightness=0.3, contrast=0.3))
    assert not torch.equal(changed["image"], batch["image"])
    assert torch.equal(changed["mask"], batch["mask"])


def test_a_filled_channel_is_the_one_that_stands_in(batch: dict[str, torch.Tensor]) -> None:
    two = {**batch, "image": torch.stack([batch["image"][:, 0], 255 - batch["image"][:, 1]], dim=1)}
    changed = augment(two, only(fill=1, fill_channel=1))
    assert torch.equal(changed["image"], two["image"][:, 1:].expand(-1, 2, -1, -1))
    assert torch.equal(changed["mask"], batch["mask"])


def test_a_channel_to_fill_from_alone_is_off() -> None:
    assert only(fill_channel=1).is_off


def test_each_image_of_a_batch_is_changed_on_its_own(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    changed = augment(batch, only(rotation_degrees=30))["image"]
    assert len({image.numpy().tobytes() for image in changed}) == 8


def test_a_seed_repeats_the_changes(batch: dict[str, torch.Tensor]) -> None:
    def changed() -> torch.Tensor:
        torch.manual_seed(3)
        return augment(batch, Augmentation(scale=0.2, brightness=0.2))["image"]

    assert torch.equal(changed(), changed())
