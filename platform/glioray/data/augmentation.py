"""Random changes of a training batch, image and mask together, by torchvision's transforms.

Each image is changed on its own. Randomness is torch's, so that a seeded epoch is repeatable.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

import glioray._torchvision  # noqa: F401  isort: skip  # before torchvision
from torchvision import tv_tensors
from torchvision.transforms import v2


class Augmentation(BaseModel):
    """How strongly training images are changed; all zero leaves them alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizontal_flip: float = Field(0.5, ge=0, le=1, description="probability of a left-right mirror")
    vertical_flip: float = Field(0.0, ge=0, le=1, description="probability of an up-down mirror")
    rotation_degrees: float = Field(10.0, ge=0, le=180, description="largest turn either way")
    scale: float = Field(0.0, ge=0, le=0.9, description="largest relative change of size either way")
    brightness: float = Field(0.0, ge=0, le=1, description="largest relative change of brightness either way")
    contrast: float = Field(0.0, ge=0, le=1, description="largest relative change of contrast either way")
    fill: float = Field(
        0.0, ge=0, le=1, description="probability that a channel is replaced, as data sets do with a missing sequence"
    )
    fill_channel: int = Field(0, ge=0, le=63, description="place of the channel that stands in for the others")

    @property
    def is_off(self) -> bool:
        """Whether nothing is changed."""
        return not any(self.model_dump(exclude={"fill_channel"}).values())


def augment(batch: Mapping[str, Tensor], settings: Augmentation) -> dict[str, Tensor]:
    """The batch with each `image` (C,H,W) uint8, and its `mask` (H,W) where there is one, changed at random."""
    if settings.is_off:
        return dict(batch)
    transform = _transform(settings)
    changed = [_change(row, transform) for row in _rows(batch)]
    return {**batch, **{name: torch.stack([row[name] for row in changed]) for name in changed[0]}}


def _transform(settings: Augmentation) -> v2.Transform:
    """Flips, then one affine map, then gray levels; masks are resampled by nearest neighbor."""
    steps: list[v2.Transform] = [
        v2.RandomHorizontalFlip(settings.horizontal_flip),
        v2.RandomVerticalFlip(settings.vertical_flip),
    ]
    if settings.rotation_degrees or settings.scale:
        zoom = (1 - settings.scale, 1 + settings.scale)
        steps.append(
            v2.RandomAffine(settings.rotation_degrees, scale=zoom, interpolation=v2.InterpolationMode.BILINEAR)
        )
    if settings.fill:
        steps.append(_FillChannels(settings.fill, settings.fill_channel))
    if settings.brightness or settings.contrast:
        steps.append(_GrayJitter(settings.brightness, settings.contrast))
    return v2.Compose(steps)


class _FillChannels(v2.Transform):  # type: ignore[misc]
    """Each channel but one is replaced by that one, with a probability of its own."""

    def __init__(self, probability: float, channel: int) -> None:
        super().__init__()
        self.probability, self.channel = probability, channel

    def transform(self, inpt: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Images only; masks pass through."""
        del params
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        pixels = inpt.as_subclass(Tensor)
        is_replaced = (torch.rand(len(pixels)) < self.probability).to(pixels.device)
        filled: Tensor = tv_tensors.Image(torch.where(is_replaced[:, None, None], pixels[self.channel], pixels))
        return filled


class _GrayJitter(v2.Transform):  # type: ignore[misc]
    """Brightness and contrast of images with any number of channels; torchvision's own takes 1 or 3."""

    def __init__(self, brightness: float, contrast: float) -> None:
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def transform(self, inpt: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Scales about the mean of the image, then as a whole; masks pass through."""
        del params
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        shift, gain = ((2 * torch.rand(2) - 1) * torch.tensor([self.contrast, self.brightness]) + 1).tolist()
        pixels = inpt.as_subclass(Tensor).float()
        mean = pixels.mean()
        changed = ((pixels - mean) * shift + mean) * gain
        jittered: Tensor = tv_tensors.Image(changed.round().clamp(0, 255).to(torch.uint8))
        return jittered


def _rows(batch: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Image and mask of each row, wrapped so that a transform treats both alike."""
    images = [{"image": tv_tensors.Image(image)} for image in batch["image"]]
    if "mask" not in batch:
        return images
    return [{**row, "mask": tv_tensors.Mask(mask)} for row, mask in zip(images, batch["mask"], strict=True)]


def _change(row: dict[str, Tensor], transform: v2.Transform) -> dict[str, Tensor]:
    return {name: value.as_subclass(Tensor) for name, value in transform(row).items()}
