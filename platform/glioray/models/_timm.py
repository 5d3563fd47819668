"""What the doors to timm share: names, settings, and how a network is made for images of a size.

timm takes seconds to import: nothing here does it before it is needed.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pydantic import Field, field_validator, model_validator
from torch import nn

from glioray.errors import ModelError
from glioray.models._contract import ModelConfig

NUM_SUGGESTED = 3


class TimmConfig(ModelConfig):
    """Settings of a network of timm."""

    architecture: str = Field(
        "resnet18", min_length=1, max_length=128, description="name in timm, as resnet18 or resnet18.a1_in1k"
    )
    pretrained: bool = Field(False, description="begin with the weights that timm has for it, fetched once")
    weights: str | None = Field(
        None, min_length=1, description="file to begin with instead: .safetensors, or a plain state dict of torch"
    )

    @field_validator("architecture")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return require_known(name)

    @model_validator(mode="after")
    def _one_source(self) -> TimmConfig:
        if self.pretrained and self.weights:
            raise ValueError(f"pretrained is true and weights is {self.weights!r}: begin with one of the two")
        return self


def library() -> Any:
    """The package timm, which needs a torchvision that loads."""
    importlib.import_module("glioray._torchvision")
    return importlib.import_module("timm")


def require_known(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: timm has no such network, or no such weights of it; the nearest names are suggested.
    """
    architecture, _, tag = name.partition(".")
    if architecture not in _names():
        raise ValueError(f"timm has no network of this name{_near(architecture, _names())}")
    if tag and name not in (known := _names(architecture)):
        raise ValueError(f"timm has {architecture!r}, but not with these weights{_near(name, known)}")
    return name


def create(
    architecture: str,
    channels: int,
    image_size: int | None,
    num_classes: int = 0,
    dropout: float = 0.0,
    drop_path: float = 0.0,
    **arguments: Any,
) -> nn.Module:
    """A network of timm for images of a size, with random weights; its `input_shape` is (channels, size).

    Args:
        architecture: known to timm.
        channels: of the images.
        image_size: in px, told to the networks that are made for one size, as ViTs are; none is their own.
        num_classes: of the head; 0 is without a head.
        dropout: 0 is not told to the network, since not every one knows it.
        drop_path: in the same way.
        arguments: further ones of `timm.create_model`.

    Raises:
        ModelError: the network knows no dropout, or no drop path.
    """
    timm = library()
    arguments |= {"drop_rate": dropout or None, "drop_path_rate": drop_path or None}  # timm leaves out what is none
    if image_size and timm.get_pretrained_cfg_value(architecture, "fixed_input_size"):
        arguments["img_size"] = image_size
    try:
        network: nn.Module = timm.create_model(architecture, in_chans=channels, num_classes=num_classes, **arguments)
    except TypeError as error:
        for setting, argument in (("dropout", "drop_rate"), ("drop_path", "drop_path_rate")):
            if repr(argument) in str(error):
                raise ModelError(f"{architecture!r} of timm has no {setting}: set model.{setting}=0") from None
        raise
    network.input_shape = (channels, image_size)  # type: ignore[assignment]
    return network


def require_whole_patches(network: nn.Module, image_size: int) -> nn.Module:
    """The network itself.

    Raises:
        ValueError: its patches would leave out pixels at two borders, about which timm says nothing.
    """
    embedding = getattr(network, "patch_embed", None)
    patch = getattr(embedding, "patch_size", None)
    sides = (patch,) if isinstance(patch, int) else tuple(patch or ())  # timm writes it in both ways
    if any(image_size % side for side in sides) and not getattr(embedding, "dynamic_img_pad", False):
        raise ValueError(f"it has patches of {max(sides)} px")
    return network


def own_size(architecture: str) -> int:
    """Side in px of the images that a network was made for."""
    config = library().get_pretrained_cfg(architecture)
    return int(config.input_size[-1]) if config else 224


@lru_cache
def _names(architecture: str = "") -> frozenset[str]:
    """Every network of timm, or every name of one network's weights."""
    return frozenset(library().list_models(architecture, include_tags=bool(architecture)))


def _near(asked: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(asked, sorted(known), n=NUM_SUGGESTED, cutoff=0.4)
    return f"; did you mean {', '.join(map(repr, near))}?" if near else "; `timm.list_models()` names all"
