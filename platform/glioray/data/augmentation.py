"""Random changes of a training batch, image and mask together.

Each image is changed on its own, all of them at once: how much is drawn for the whole batch from torch's generator of
the CPU, so that a seed repeats it and every device makes the same changes; only the grain of noise is the device's.
The amounts are drawn whether they are used or not: to switch one change on leaves the others as they were.

What is done is what torchvision's v2 transforms do to one image, and the tests compare the two; called row by row they
take several times as long (benchmarks/augmentation.py).

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from glioray.data import _geometry as geometry
from glioray.data import _gray as gray
from glioray.errors import RecipeError, did_you_mean
from glioray.frozen import Frozen

_LEAST_CUT, _STEEPEST_CUT = 0.02, 3.3  # as Zhong 2020 and torchvision
_PORTION = 2**19  # values at once on a CPU: their float copies stay in its cache; twice as fast as all at once


class Augmentation(Frozen):
    """How strongly training images are changed; all zero leaves them alone.

    Amounts are drawn evenly up to their limit. Isensee 2021 (nnU-Net, doi:10.1038/s41592-020-01008-z) changes few
    images much: turns, scale and blur with probability 0.2, noise 0.1, gray levels 0.15.
    """

    horizontal_flip: float = Field(0.5, ge=0, le=1, description="probability of a left-right mirror")
    vertical_flip: float = Field(0.0, ge=0, le=1, description="probability of an up-down mirror")
    rotation_degrees: float = Field(10.0, ge=0, le=180, description="largest turn either way")
    scale: float = Field(0.0, ge=0, le=0.9, description="largest relative change of size either way")
    shift: float = Field(0.0, ge=0, le=0.5, description="largest move either way and axis, as a part of the side")
    move_probability: float = Field(1.0, ge=0, le=1, description="of a turn, of another size, of a move, each alone")
    elastic: float = Field(
        0.0, ge=0, le=0.1,
        description="standard deviation, as a part of the side, by which 3 by 3 points are displaced and the image "
        "between them bent; 0.02 in Ronneberger 2015, arXiv 1505.04597",
    )  # fmt: skip
    elastic_probability: float = Field(0.2, ge=0, le=1, description="of a bend")
    brightness: float = Field(0.0, ge=0, le=1, description="largest relative change of brightness either way")
    contrast: float = Field(0.0, ge=0, le=1, description="largest relative change of contrast either way")
    gamma: float = Field(
        0.0, ge=0, le=2, description="gray levels are raised to a power between 1 / (1 + gamma) and 1 + gamma"
    )
    gray_probability: float = Field(1.0, ge=0, le=1, description="of brightness, of contrast, of gamma, each alone")
    noise: float = Field(0.0, ge=0, le=0.5, description="largest standard deviation of Gaussian noise, a part of white")
    noise_probability: float = Field(0.1, ge=0, le=1, description="of noise")
    blur_px: float = Field(0.0, ge=0, le=3, description="largest standard deviation of a Gaussian blur; 1 in nnU-Net")
    blur_probability: float = Field(0.2, ge=0, le=1, description="of a blur")
    fill: float = Field(
        0.0, ge=0, le=1, description="probability that a channel is replaced, as data sets do with a missing sequence"
    )
    fill_channel: str | None = Field(None, description="fill: name of the channel that stands in for the others")
    cut_out: float = Field(
        0.0, ge=0, le=1, description="probability of a black box in the image, not in its mask (Zhong, 1708.04896)"
    )
    cut_out_area: float = Field(0.2, ge=0.02, le=0.5, description="largest part of the image in the box; least: 0.02")
    mixup: float = Field(
        0.0, ge=0, le=10, description="alpha of the blend of two images and their classes (Zhang 2018, 1710.09412)"
    )
    cutmix: float = Field(
        0.0, ge=0, le=10, description="alpha of the area of another image that is put in (Yun 2019, 1905.04899)"
    )
    mix_probability: float = Field(1.0, ge=0, le=1, description="that a batch is mixed; by mixup or cutmix, evenly")

    @property
    def changes_images(self) -> bool:
        """Whether an image may be changed by itself."""
        gray_levels = self.brightness + self.contrast + self.gamma
        changes = (
            self.horizontal_flip, self.vertical_flip, self.fill, self.cut_out,
            (self.rotation_degrees + self.scale + self.shift) * self.move_probability,
            self.elastic * self.elastic_probability, gray_levels * self.gray_probability,
            self.noise * self.noise_probability, self.blur_px * self.blur_probability,
        )  # fmt: skip
        return any(changes)

    @property
    def is_mixing(self) -> bool:
        """Whether images and their classes may be mixed with others."""
        return self.mixup + self.cutmix > 0 and self.mix_probability > 0

    def fill_place(self, channels: Sequence[str]) -> int:
        """Where the channel stands that `fill` replaces others by; 0 where it replaces none.

        Raises:
            RecipeError: there is no such channel, none is named, or there is only one.
        """
        if not self.fill:
            return 0
        if len(channels) == 1:
            raise RecipeError(
                f"augmentation.fill is {self.fill}, the data have no other channel than {channels[0]!r} to replace: "
                "set it to 0"
            )
        if self.fill_channel is None or self.fill_channel not in channels:
            near = did_you_mean(self.fill_channel or "", channels)
            raise RecipeError(
                f"augmentation.fill (0 switches it off) needs a channel of the data as augmentation.fill_channel, not "
                f"{self.fill_channel!r}{near}"
            )
        return list(channels).index(self.fill_channel)


class _Changes(NamedTuple):
    """What happens to each of B images, on the CPU."""

    is_mirrored: Tensor
    is_filled: Tensor
    turn_degrees: Tensor
    zoom: Tensor
    shift: Tensor
    bend: Tensor
    blur_px: Tensor
    contrast: Tensor
    brightness: Tensor
    gamma: Tensor
    noise: Tensor
    is_cut: Tensor
    box: Tensor

    @property
    def movement(self) -> geometry.Movement:
        return geometry.Movement(self.turn_degrees, self.zoom, self.shift, self.bend)


def augment(batch: Mapping[str, Tensor], settings: Augmentation, fill_place: int = 0) -> dict[str, Tensor]:
    """The batch with each `image` (C,H,W) uint8, and its `mask` (H,W) where there is one, changed at random.

    `fill_place` is where the channel stands that `settings.fill` replaces others by.
    """
    if not settings.changes_images:
        return dict(batch)
    images = batch["image"]
    changes = _draw(settings, *images.shape[:2])
    grain = torch.Generator(images.device).manual_seed(int(torch.randint(2**62, ())))
    new = {name: torch.empty_like(batch[name]) for name in ("image", "mask") if name in batch}
    size = max(1, _PORTION // images[0].numel()) if images.device.type == "cpu" else len(images)
    for start in range(0, len(images), size):
        rows = slice(start, start + size)
        portion = {name: pixels[rows].copy_(batch[name][rows]) for name, pixels in new.items()}
        if (is_filled := changes.is_filled[rows]).any():
            portion["image"].copy_(gray.filled(portion["image"], is_filled, fill_place))
        _change(portion, _Changes(*(values[rows] for values in changes)), settings, grain)
    return {**batch, **new}


def _draw(settings: Augmentation, rows: int, channels: int) -> _Changes:
    """Every amount, always the same numbers of them, so that none depends on the setting of another."""
    move, alike = settings.move_probability, settings.gray_probability
    bend = (rows, 2, geometry.BEND_POINTS, geometry.BEND_POINTS)
    return _Changes(
        is_mirrored=torch.rand(rows, 2) < torch.tensor([settings.horizontal_flip, settings.vertical_flip]),
        is_filled=torch.rand(rows, channels) < settings.fill,
        turn_degrees=_some(move, settings.rotation_degrees * _either_way(rows)),
        zoom=1 + _some(move, settings.scale * _either_way(rows)),
        shift=_some(move, settings.shift * _either_way(rows, 2)),
        bend=_some(settings.elastic_probability, settings.elastic * torch.randn(bend)),
        blur_px=_some(settings.blur_probability, settings.blur_px * torch.rand(rows)),
        contrast=1 + _some(alike, settings.contrast * _either_way(rows)),
        brightness=1 + _some(alike, settings.brightness * _either_way(rows)),
        gamma=_some(alike, math.log1p(settings.gamma) * _either_way(rows)).exp(),
        noise=_some(settings.noise_probability, settings.noise * torch.rand(rows)),
        is_cut=torch.rand(rows) < settings.cut_out,
        box=gray.draw_boxes(rows, _LEAST_CUT, settings.cut_out_area, _STEEPEST_CUT),
    )


def _either_way(*shape: int) -> Tensor:
    """Evenly in -1..1."""
    return 2 * torch.rand(shape) - 1


def _some(probability: float, amounts: Tensor) -> Tensor:
    """The amounts of this share of the rows; 0 for the others."""
    happens = torch.rand(len(amounts)) < probability
    return amounts * happens.view(-1, *[1] * (amounts.ndim - 1))


def _change(portion: dict[str, Tensor], changes: _Changes, settings: Augmentation, grain: torch.Generator) -> None:
    """In place `image` (B,C,H,W) and, where there is one, `mask` (B,H,W): place, then gray levels, rounded once."""
    images, is_moved = portion["image"], changes.movement.is_any
    for axis, is_flipped in zip((-1, -2), changes.is_mirrored.unbind(1), strict=True):
        for pixels in portion.values():
            _replace(pixels, is_flipped, partial(torch.flip, dims=[axis]))
    steps = [step for step in _gray_steps(changes, settings, grain) if step[0].any()]
    if not steps and not is_moved.any():
        return
    pixels = images.float()
    if is_moved.any():
        movement = geometry.Movement(*(amounts[is_moved].to(pixels.device) for amounts in changes.movement))
        grid = geometry.sampling_grid(movement, *pixels.shape[-2:])
        _replace(pixels, is_moved, geometry.resampled, grid)
        if "mask" in portion:
            _replace(portion["mask"], is_moved, geometry.resampled_labels, grid)
    for is_changed, change, amounts in steps:
        _replace(pixels, is_changed, change, *(amount[is_changed].to(pixels.device) for amount in amounts))
    images.copy_(pixels.round_().clamp_(0, gray.WHITE))


def _gray_steps(
    changes: _Changes, settings: Augmentation, grain: torch.Generator
) -> tuple[tuple[Tensor, Callable[..., Tensor], tuple[Tensor, ...]], ...]:
    """In order: which rows are changed, how, and by which amounts."""
    blur = partial(gray.blurred, radius_px=math.ceil(3 * settings.blur_px))
    contrast = (changes.contrast, changes.brightness)
    return (
        (changes.blur_px > 0, blur, (changes.blur_px,)),
        ((changes.contrast != 1) | (changes.brightness != 1), gray.contrasted, contrast),
        (changes.gamma != 1, gray.gamma_corrected, (changes.gamma,)),
        (changes.noise > 0, partial(gray.noisy, grain=grain), (changes.noise,)),
        (changes.is_cut, gray.cut_out, (changes.box,)),
    )


def _replace(pixels: Tensor, is_chosen: Tensor, change: Callable[..., Tensor], *amounts: Tensor) -> None:
    """Changes the chosen rows in place; neighbors without the copies that single rows need."""
    chosen = is_chosen.nonzero()[:, 0]
    if not len(chosen):
        return
    first, last = int(chosen[0]), int(chosen[-1]) + 1
    if last - first == len(chosen):
        pixels[first:last].copy_(change(pixels[first:last], *amounts))
    else:
        chosen = chosen.to(pixels.device)
        pixels.index_copy_(0, chosen, change(pixels.index_select(0, chosen), *amounts))
