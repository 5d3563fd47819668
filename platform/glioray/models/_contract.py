"""What a model file gives, and how one is found by name.

A file `models/NAME.py` has a docstring with its source, a frozen `Config` whose `name` is NAME, and
`build(config, signature) -> nn.Module` that takes (B,C,H,W) to (B,K) or (B,K,H,W). Nothing else is edited.
It may also give `start_weights(config, model)` and `require_weights(config)`, where weights come from outside.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, ClassVar, Literal, Protocol, cast

from torch import nn

from glioray import models
from glioray.errors import ModelError, RecipeError, did_you_mean
from glioray.frozen import Frozen
from glioray.models._attention import written_out_on_cpu
from glioray.models._strided import without_point_strides


class Signature(Protocol):
    """All that a model needs of the data; `data.records.Signature` is one."""

    @property
    def in_channels(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def image_size(self) -> int: ...


class ModelConfig(Frozen):
    """Settings of one architecture; data only, it builds nothing."""

    task: ClassVar[Literal["classification", "segmentation"]]
    name: str


class ModelFile(Protocol):
    """What every module of this package, but the underscored ones, gives."""

    Config: type[ModelConfig]

    def build(self, config: Any, signature: Signature) -> nn.Module: ...


def names() -> tuple[str, ...]:
    """Every architecture there is, in alphabetical order."""
    found = (module.name for module in pkgutil.iter_modules(models.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(name: str) -> ModelFile:
    """The module of an architecture.

    Raises:
        RecipeError: no file has this name; the nearest is suggested.
    """
    if name not in names():
        raise RecipeError(f"model.name: no architecture is called {name!r}{did_you_mean(name, names())}")
    return cast(ModelFile, importlib.import_module(f"glioray.models.{name}"))


def title(name: str) -> str:
    """The first line of an architecture's docstring."""
    return str(load(name).__doc__).splitlines()[0]


def build(config: ModelConfig, signature: Signature) -> nn.Module:
    """The network of a config, with fresh weights from torch's random state.

    Raises:
        ModelError: the image size does not fit the architecture; the text names one that does.
    """
    return written_out_on_cpu(without_point_strides(load(config.name).build(config, signature)))


def start_weights(config: ModelConfig, model: nn.Module) -> None:
    """Puts the weights from outside that a config asks for into a model that `build` made; does nothing without.

    Only where a training begins from nothing: one that goes on, and a bundle, have their own weights.

    Raises:
        RecipeError: see `require_weights`.
        ModelError: the weights do not fit the images, as for a number of channels that they cannot be adapted to.
    """
    _call(config, "start_weights", model)


def require_weights(config: ModelConfig) -> None:
    """Fetches the weights from outside that a config asks for, and checks that they are of its architecture.

    Raises:
        RecipeError: they cannot be fetched or read, or are of another architecture.
    """
    _call(config, "require_weights")


def _call(config: ModelConfig, name: str, *arguments: object) -> None:
    """Calls what a model file may offer besides `build`."""
    if (offered := getattr(load(config.name), name, None)) is not None:
        offered(config, *arguments)


def require_multiple(image_size: int, factor: int, name: str) -> None:
    """Refuses a size that the levels of a network cannot halve, and computes the one to pad to."""
    if image_size % factor:
        padded = (image_size // factor + 1) * factor
        raise ModelError(
            f"{name}: {image_size} px cannot be halved down to its lowest level (a multiple of {factor} can); "
            f"prepare the data with --image-size {padded}"
        )


def num_parameters(model: nn.Module) -> int:
    """Weights and biases together."""
    return sum(parameter.numel() for parameter in model.parameters())
