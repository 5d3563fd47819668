from __future__ import annotations

import pytest
import torch

import glioray._torchvision  # noqa: F401  isort: skip  # before torchvision
from torchvision.transforms import v2

from glioray.data._gray import blurred, contrasted, cut_out, draw_boxes, filled, gamma_corrected, noisy


@pytest.fixture
def pixels() -> torch.Tensor:
    torch.manual_seed(0)
    return 255 * torch.rand(2, 3, 16, 20)


def test_a_blur_is_that_of_torchvision(pixels: torch.Tensor) -> None:
    ours = blurred(pixels, torch.tensor([0.6, 1.5]), radius_px=5)
    theirs = [v2.functional.gaussian_blur(image, [11, 11], [s]) for image, s in zip(pixels, (0.6, 1.5), strict=True)]
    assert torch.allclose(ours, torch.stack(theirs), atol=0.01)


def test_a_blur_wider_than_the_image_is_cut_to_it() -> None:
    small = torch.full((1, 1, 4, 6), 100.0)
    assert torch.allclose(blurred(small, torch.tensor([2.0]), radius_px=6), small)


def test_gamma_is_that_of_torchvision(pixels: torch.Tensor) -> None:
    theirs = [255 * v2.functional.adjust_gamma(image / 255, g) for image, g in zip(pixels, (0.7, 1.5), strict=True)]
    assert torch.allclose(gamma_corrected(pixels, torch.tensor([0.7, 1.5])), torch.stack(theirs), atol=0.01)


def test_contrast_is_about_the_mean_and_brightness_about_black() -> None:
    pixels = torch.tensor([50.0, 150.0]).view(1, 1, 1, 2)
    assert contrasted(pixels, torch.tensor([0.5]), torch.tensor([1.2])).flatten().tolist() == pytest.approx([90, 150])


def test_each_image_has_the_noise_that_was_asked() -> None:
    gray = torch.full((3, 1, 128, 128), 128.0)
    noise = noisy(gray.clone(), torch.tensor([0.02, 0.1, 0.3]), torch.Generator().manual_seed(0)) - gray
    assert noise.std((1, 2, 3)).tolist() == pytest.approx([5.1, 25.5, 76.5], rel=0.03)
    assert noise.mean((1, 2, 3)).abs().max() < 2


def test_a_box_is_cut_out_of_all_channels(pixels: torch.Tensor) -> None:
    box = torch.tensor([[0.25, 0.5, 0.5, 0.25], [0.0, 0.0, 0.0, 0.0]])
    expected = pixels.clone()
    expected[0] = v2.functional.erase(expected[0], 4, 10, 8, 5, torch.zeros(1))
    assert torch.equal(cut_out(pixels, box), expected)


def test_boxes_have_the_area_that_was_asked_and_lie_in_the_image() -> None:
    torch.manual_seed(0)
    top, left, height, width = draw_boxes(2000, 0.02, 0.2, 3.3).unbind(1)
    area = height * width
    assert 0.0199 < area.min() < 0.025
    assert 0.19 < area.max() < 0.2001
    assert ((top >= 0) & (left >= 0) & (top + height <= 1) & (left + width <= 1)).all()


def test_a_channel_is_filled_from_its_own_image() -> None:
    images = torch.arange(6, dtype=torch.uint8).view(2, 3, 1, 1)
    changed = filled(images, torch.tensor([[True, False, True], [False, False, False]]), 1)
    assert changed.flatten().tolist() == [1, 1, 1, 3, 4, 5]
