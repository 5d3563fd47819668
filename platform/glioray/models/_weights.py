"""Weights that a network of timm begins with: from its hub, or from a file.

Nothing falls back: weights that are asked for and cannot be had are an error that says what to do.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from glioray.errors import ModelError, RecipeError
from glioray.models._hub import fetch
from glioray.models._sizes import brief
from glioray.models._timm import TimmConfig, create, library

NO_PICKLE = "nothing else is read, since a pickle can run code; write it with safetensors.torch.save_file"


def check_weights(config: TimmConfig) -> None:
    """Fetches the weights that a config begins with, and checks that they are of its architecture.

    Raises:
        RecipeError: they cannot be fetched or read, or are of another architecture.
    """
    if (file := _file(config)) is not None:
        _trained(config.architecture, file, image_size=None)


def begin_with(config: TimmConfig, network: nn.Module, fresh: set[str]) -> None:
    """Loads the weights that a config begins with into a network of timm; does nothing where there are none.

    Args:
        config: what to begin with.
        network: made by `create`, of the config's architecture; it may lack the head.
        fresh: names that stay random where their shapes differ, as a head for other classes.

    Raises:
        RecipeError: as `check_weights`.
        ModelError: the first layer cannot be adapted to the channels of the images.
    """
    if (file := _file(config)) is None:
        return
    channels, image_size = _input_shape(network)
    trained = _trained(config.architecture, file, image_size)
    known, wanted = trained.state_dict(), network.state_dict()
    fits = {name for name, value in wanted.items() if name in known and known[name].shape == value.shape}
    first = {f"{layer}.weight" for layer in _first_layers(trained)} & wanted.keys() - fits
    assert wanted.keys() - fits - first <= fresh, "a network of the same name has other layers"
    adapted = {name: _adapted(known[name], _input_shape(trained)[0], channels, config) for name in first}
    network.load_state_dict({name: known[name] for name in fits} | adapted, strict=False)


def _file(config: TimmConfig) -> Path | None:
    """Where the weights are on this machine, fetched where they are not; none where none are asked for."""
    if config.pretrained:
        return fetch(config.architecture)
    return Path(config.weights) if config.weights else None


def _trained(architecture: str, file: Path, image_size: int | None) -> nn.Module:
    """The network as it was trained, with as many channels and classes as it then had.

    Every tensor of the file has its place in it and the other way round: timm by itself would leave a layer random
    that the file lacks, wherever the classes are others.
    """
    state = _read(file)
    for channels, classes in product(_channels(architecture, state), _classes(architecture, state)):
        overlay = {
            "state_dict": state,
            "num_classes": classes,
            "label_offset": 0,
            "input_size": (channels, *_config(architecture).input_size[1:]),
        }
        try:
            with torch.random.fork_rng(devices=[]):
                source: dict[str, Any] = {"pretrained": True, "pretrained_cfg_overlay": overlay}
                return create(architecture, channels, image_size, classes, **source)
        except Exception:  # noqa: S112  (of load_state_dict, or of a filter that renames what older files have)
            continue
    raise RecipeError(
        f"model.weights: {str(file)!r} is not of {architecture!r}: {_comparison(architecture, state)}; set "
        "model.architecture to the one it is of"
    )


def _comparison(architecture: str, state: dict[str, Tensor]) -> str:
    with torch.device("meta"):
        network = create(architecture, _channels(architecture, state)[0], None, _classes(architecture, state)[0])
    wanted = network.state_dict()
    shared = sum(name in state and state[name].shape == value.shape for name, value in wanted.items())
    return f"it has {len(state)} tensors, the network {len(wanted)}, of which {shared} are the same"


def _read(file: Path) -> dict[str, Tensor]:
    """A state dict as timm finds it in a file, nothing but tensors.

    Raises:
        RecipeError: there is no such file, it is damaged, or it holds something else.
    """
    if not file.is_file():
        raise RecipeError(f"model.weights: {str(file)!r}: no such file (looked for at {str(file.absolute())!r})")
    try:
        state: dict[str, Tensor] = library().models.load_state_dict(str(file), weights_only=True)
    except Exception as error:  # of safetensors, zipfile, pickle or torch
        if file.suffix == ".safetensors":
            raise RecipeError(f"model.weights: {str(file)!r} is damaged ({brief(error)}); get it again") from None
        raise RecipeError(f"model.weights: {str(file)!r} is no state dict of plain tensors; {NO_PICKLE}") from None
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise RecipeError(f"model.weights: {str(file)!r} holds no state dict, but {sorted(state)[:3]}; {NO_PICKLE}")
    return state


def _config(architecture: str) -> Any:
    return library().get_pretrained_cfg(architecture, allow_unregistered=False)


def _channels(architecture: str, state: dict[str, Tensor]) -> list[int]:
    """How many channels the images may have had that the weights learned from, the likeliest first."""
    usual = int(_config(architecture).input_size[0])
    weights = [state.get(f"{layer}.weight") for layer in _names(_config(architecture).first_conv)]
    return list(dict.fromkeys([usual, *(value.shape[1] for value in weights if value is not None and value.ndim > 1)]))


def _classes(architecture: str, state: dict[str, Tensor]) -> list[int]:
    """How many classes the weights may tell apart; 0 is without a head, as after self-supervised training."""
    weights = [state.get(f"{layer}.weight") for layer in _names(_config(architecture).classifier)]
    found = [len(value) for value in weights if value is not None]
    return list(dict.fromkeys([*found, int(_config(architecture).num_classes), 0]))


def _input_shape(network: Any) -> tuple[int, int | None]:
    shape: tuple[int, int | None] = network.input_shape  # as `create` left it
    return shape


def _first_layers(network: nn.Module) -> tuple[str, ...]:
    return _names(network.pretrained_cfg["first_conv"])  # type: ignore[index]


def _names(value: Any) -> tuple[str, ...]:
    """A setting of timm names one layer, several, or none."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def _adapted(weight: Tensor, from_channels: int, channels: int, config: TimmConfig) -> Tensor:
    """A first layer for other channels: their mean where there is one, repeated where there are more."""
    try:
        adapted: Tensor = library().models.adapt_input_conv(channels, weight, base_chans=from_channels)
    except NotImplementedError as error:
        raise ModelError(
            f"{config.architecture}: its first layer, trained on {from_channels} channels, cannot be adapted to "
            f"{channels} ({brief(error)}); set pretrained: false, or take another architecture"
        ) from None
    return adapted
