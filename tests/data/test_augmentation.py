from __future__ import annotations

import pytest
import torch

from glioray.data import augmentation
from glioray.data.augmentation import Augmentation, augment
from glioray.errors import RecipeError

STRENGTHS = (
    "horizontal_flip", "vertical_flip", "rotation_degrees", "scale", "shift", "elastic", "brightness", "contrast",
    "gamma", "noise", "blur_px", "fill", "cut_out", "mixup", "cutmix",
)  # fmt: skip
OFF = dict.fromkeys(STRENGTHS, 0.0)
EVERY = {
    "horizontal_flip": 0.5, "vertical_flip": 0.5, "rotation_degrees": 30, "scale": 0.2, "shift": 0.1, "elastic": 0.03,
    "brightness": 0.2, "contrast": 0.2, "gamma": 0.5, "noise": 0.1, "blur_px": 1, "fill": 0.3, "cut_out": 0.5,
    **{name: 0.5 for name in Augmentation.model_fields if name.endswith("_probability")},
}  # fmt: skip
MOVES = [
    {"rotation_degrees": 45},
    {"scale": 0.4},
    {"shift": 0.2},
    {"elastic": 0.1, "elastic_probability": 1},
    {"vertical_flip": 0.5},
    {"rotation_degrees": 45, "scale": 0.2, "shift": 0.1, "elastic": 0.05},
]


def only(**settings: float) -> Augmentation:
    return Augmentation(**{**OFF, **settings})


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Eight images with a bright block left of the middle, and its mask."""
    images = torch.zeros(8, 2, 32, 32, dtype=torch.uint8)
    images[:, :, 10:20, 6:14] = 200
    return {"image": images, "mask": (images[:, 0] > 0).to(torch.uint8), "patient_index": torch.arange(8)}


def seeded(batch: dict[str, torch.Tensor], settings: Augmentation, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return augment(batch, settings)


def test_all_zero_changes_nothing(batch: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(augment(batch, only())[name], batch[name]) for name in batch)


@pytest.mark.parametrize("name", STRENGTHS)
def test_every_strength_but_zero_changes_images_or_mixes_them(name: str) -> None:
    assert not only().changes_images
    assert not only().is_mixing
    settings = only(**{name: 0.1})
    assert settings.is_mixing == (name in ("mixup", "cutmix"))
    assert settings.changes_images != settings.is_mixing


def test_what_never_happens_changes_nothing() -> None:
    never = {name: 0.0 for name in Augmentation.model_fields if name.endswith("_probability")}
    strong = {"rotation_degrees": 10, "elastic": 0.1, "gamma": 1, "noise": 0.1, "blur_px": 1, "mixup": 1}
    settings = only(**never, **strong)
    assert not settings.changes_images
    assert not settings.is_mixing


def test_the_channel_to_fill_from_is_found_by_its_name() -> None:
    settings = Augmentation(fill=0.2, fill_channel="flair")
    places = [settings.fill_place(channels) for channels in (("pre", "flair", "post"), ("t1", "t1ce", "t2", "flair"))]
    assert places == [1, 3]
    assert Augmentation(fill_channel="flair").fill_place(("t1",)) == 0


@pytest.mark.parametrize(
    ("name", "channels", "expected"),
    [
        ("flai", ("t1", "flair"), r"not 'flai'; did you mean 'flair'\?"),
        (None, ("t1", "flair"), "not None; there is: flair, t1"),
        ("t1", ("t1",), "the data have no other channel than 't1' to replace: set it to 0"),
    ],
)
def test_a_channel_that_cannot_stand_in_is_refused(name: str | None, channels: tuple[str, ...], expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        Augmentation(fill=0.5, fill_channel=name).fill_place(channels)


@pytest.mark.parametrize(("name", "dimension"), [("horizontal_flip", -1), ("vertical_flip", -2)])
def test_a_certain_flip_mirrors_image_and_mask_alike(batch: dict[str, torch.Tensor], name: str, dimension: int) -> None:
    changed = augment(batch, only(**{name: 1}))
    assert torch.equal(changed["image"], batch["image"].flip(dimension))
    assert torch.equal(changed["mask"], batch["mask"].flip(dimension))


def test_a_flip_now_and_then_mirrors_an_image_or_leaves_it(batch: dict[str, torch.Tensor]) -> None:
    changed = seeded(batch, only(horizontal_flip=0.5), seed=1)
    for name in ("image", "mask"):
        is_flipped = [torch.equal(row, old.flip(-1)) for row, old in zip(changed[name], batch[name], strict=True)]
        is_left = [torch.equal(row, old) for row, old in zip(changed[name], batch[name], strict=True)]
        assert is_flipped == [not left for left in is_left]
        assert 0 < sum(is_left) < 8


@pytest.mark.parametrize("settings", MOVES)
def test_the_mask_moves_with_its_image(batch: dict[str, torch.Tensor], settings: dict[str, float]) -> None:
    changed = seeded(batch, only(**settings))
    assert not torch.equal(changed["mask"], batch["mask"])
    bright, labeled = changed["image"][:, 0] > 100, changed["mask"] > 0
    overlap = (bright & labeled).sum((1, 2)) / (bright | labeled).sum((1, 2))
    assert overlap.min() > 0.8


def test_a_mask_keeps_its_values(batch: dict[str, torch.Tensor]) -> None:
    labeled = {**batch, "mask": batch["mask"] * torch.tensor([1, 2, 4, 255] * 2).to(torch.uint8)[:, None, None]}
    changed = seeded(labeled, Augmentation(**EVERY))["mask"]
    assert changed.dtype == torch.uint8
    assert set(changed.unique().tolist()) == {0, 1, 2, 4, 255}


@pytest.mark.parametrize(
    "settings",
    [
        {"brightness": 0.3},
        {"contrast": 0.3},
        {"gamma": 0.5},
        {"noise": 0.1, "noise_probability": 1},
        {"blur_px": 1, "blur_probability": 1},
        {"cut_out": 1},
    ],
)
def test_gray_levels_change_and_the_mask_does_not(batch: dict[str, torch.Tensor], settings: dict[str, float]) -> None:
    grainy = {**batch, "image": torch.randint(0, 256, (8, 2, 32, 32), dtype=torch.uint8)}
    changed = seeded(grainy, only(**settings))
    assert (changed["image"] != grainy["image"]).flatten(1).any(1).sum() >= 6
    assert torch.equal(changed["mask"], batch["mask"])


def test_a_filled_channel_is_the_one_that_stands_in(batch: dict[str, torch.Tensor]) -> None:
    two = {**batch, "image": torch.stack([batch["image"][:, 0], 255 - batch["image"][:, 1]], dim=1)}
    changed = augment(two, only(fill=1), fill_place=1)
    assert torch.equal(changed["image"], two["image"][:, 1:].expand(-1, 2, -1, -1))
    assert torch.equal(changed["mask"], batch["mask"])


def test_gray_images_without_a_mask_are_changed_too() -> None:
    images = torch.randint(0, 256, (5, 1, 24, 40), dtype=torch.uint8)
    changed = seeded({"image": images, "label": torch.arange(5)}, Augmentation(**EVERY))
    assert changed["image"].shape == images.shape
    assert changed["image"].dtype == torch.uint8
    assert torch.equal(changed["label"], torch.arange(5))


def test_each_image_of_a_batch_is_changed_on_its_own(batch: dict[str, torch.Tensor]) -> None:
    changed = seeded(batch, only(rotation_degrees=30))["image"]
    assert len({image.numpy().tobytes() for image in changed}) == 8


def test_a_seed_repeats_every_change(batch: dict[str, torch.Tensor]) -> None:
    first, again, other = (seeded(batch, Augmentation(**EVERY), seed)["image"] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_batch_itself_is_left_alone(batch: dict[str, torch.Tensor]) -> None:
    before = {name: values.clone() for name, values in batch.items()}
    seeded(batch, Augmentation(**EVERY))
    assert all(torch.equal(batch[name], before[name]) for name in batch)


def test_a_probability_leaves_the_other_images_as_they_are() -> None:
    images = torch.randint(0, 256, (400, 1, 8, 8), dtype=torch.uint8)
    changed = seeded({"image": images}, only(rotation_degrees=90, move_probability=0.2))["image"]
    share = (changed != images).flatten(1).any(1).double().mean()
    assert 0.14 < share < 0.26


@pytest.mark.parametrize("name", STRENGTHS[:-2])
def test_one_change_more_leaves_the_others_as_they_were(name: str) -> None:
    torch.manual_seed(0)
    none = augmentation._draw(only(), 64, 2)
    torch.manual_seed(0)
    one = augmentation._draw(only(**{name: 0.1}), 64, 2)
    assert sum(not torch.equal(a, b) for a, b in zip(none, one, strict=True)) == 1


def test_portions_of_a_batch_are_the_batch(batch: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    without_noise = Augmentation(**{**EVERY, "noise": 0})
    whole = seeded(batch, without_noise)
    monkeypatch.setattr(augmentation, "_PORTION", 3 * batch["image"][0].numel())
    assert all(torch.equal(seeded(batch, without_noise)[name], whole[name]) for name in batch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_the_same_changes(batch: dict[str, torch.Tensor]) -> None:
    without_noise = Augmentation(**{**EVERY, "noise": 0})
    here = seeded(batch, without_noise)
    there = seeded({name: values.cuda() for name, values in batch.items()}, without_noise)
    assert there["image"].is_cuda
    difference = (there["image"].cpu().int() - here["image"].int()).abs()
    assert (difference > 1).double().mean() < 0.01
    assert (there["mask"].cpu() != here["mask"]).double().mean() < 0.01
