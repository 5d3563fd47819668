from __future__ import annotations

import pytest
import torch

import glioray._torchvision  # noqa: F401  isort: skip  # before torchvision
from torchvision.transforms import v2

from glioray.data._geometry import Movement, resampled, resampled_labels, sampling_grid

HEIGHT, WIDTH = 24, 32


def movement(turn: float = 0, zoom: float = 1, shift: tuple[float, float] = (0, 0), bend: float = 0) -> Movement:
    displaced = torch.zeros(1, 2, 3, 3)
    displaced[:, 0] = bend
    return Movement(torch.tensor([float(turn)]), torch.tensor([float(zoom)]), torch.tensor([shift]), displaced)


@pytest.fixture
def image() -> torch.Tensor:
    torch.manual_seed(0)
    return 255 * torch.rand(1, 2, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("turn", "zoom", "shift"),
    [(30, 1, (0, 0)), (0, 1.3, (0, 0)), (0, 1, (0.125, -0.25)), (-75, 0.8, (0.1, 0.05)), (180, 1, (0, 0))],
)
def test_a_movement_is_that_of_torchvision(
    image: torch.Tensor, turn: float, zoom: float, shift: tuple[float, float]
) -> None:
    ours = resampled(image, sampling_grid(movement(turn, zoom, shift), HEIGHT, WIDTH))
    translate = [WIDTH * shift[0], HEIGHT * shift[1]]
    theirs = v2.functional.affine(image, turn, translate, zoom, [0, 0], v2.InterpolationMode.BILINEAR)
    assert torch.allclose(ours, theirs, atol=0.01)


def test_no_movement_reads_every_pixel_where_it_is(image: torch.Tensor) -> None:
    assert torch.allclose(resampled(image, sampling_grid(movement(), HEIGHT, WIDTH)), image, atol=0.01)


def test_points_that_are_all_displaced_alike_move_the_image(image: torch.Tensor) -> None:
    bent = resampled(image, sampling_grid(movement(bend=8 / WIDTH), HEIGHT, WIDTH))
    assert torch.allclose(bent[..., :-8], image[..., 8:], atol=0.01)
    assert not bent[..., -8:].any()


def test_a_bend_is_between_its_points(image: torch.Tensor) -> None:
    middle = movement()
    middle.bend[0, :, 1, 1] = 0.1
    moved = sampling_grid(middle, 33, 33) - sampling_grid(movement(), 33, 33)
    assert moved[0, 16, 16].tolist() == pytest.approx([0.2, 0.2], abs=1e-5)  # twice the part: a grid is from -1 to 1
    assert moved[0, 0, 0].tolist() == pytest.approx([0, 0], abs=1e-5)


def test_a_mask_is_moved_to_the_pixel(image: torch.Tensor) -> None:
    masks = torch.randint(0, 4, (1, HEIGHT, WIDTH), dtype=torch.uint8)
    moved = resampled_labels(masks, sampling_grid(movement(shift=(4 / WIDTH, 0)), HEIGHT, WIDTH))
    assert torch.equal(moved[..., 4:], masks[..., :-4])
    assert not moved[..., :4].any()


def test_a_movement_knows_whom_it_moves() -> None:
    moves = [movement(), movement(turn=1), movement(zoom=1.1), movement(shift=(0, 0.1)), movement(bend=0.1)]
    together = Movement(*(torch.cat(values) for values in zip(*moves, strict=True)))
    assert together.is_any.tolist() == [False, True, True, True, True]
