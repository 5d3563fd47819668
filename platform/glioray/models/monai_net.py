"""A segmentation network of MONAI by its name, with its own arguments.

Source: Cardoso 2022, "MONAI: An open-source framework for deep learning in healthcare", arXiv 2211.02701; each network
names its own paper in MONAI's documentation. Differs from it: arguments that MONAI asks for have a default here.

Shapes: (B,C,H,W) to logits (B,K,H,W).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from torch import nn

from glioray.errors import ModelError, RecipeError, did_you_mean
from glioray.models._contract import ModelConfig, Signature
from glioray.models._sizes import brief, refusal, require_size

CHANNELS, STRIDES = (16, 32, 64, 128, 256), (2, 2, 2, 2)
NETWORKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(  # to the arguments that MONAI has no default for
    {
        "UNet": {"channels": CHANNELS, "strides": STRIDES, "num_res_units": 2},
        "AttentionUnet": {"channels": CHANNELS, "strides": STRIDES},
        "BasicUNet": {},
        "DynUNet": {"kernel_size": (3,) * 5, "strides": (1, *STRIDES), "upsample_kernel_size": STRIDES},
        "HighResNet": {},
        "MedNeXt": {},
        "SegResNet": {},
        "SegResNetDS": {},
        "SwinUNETR": {},
    }
)
FROM_DATA = ("spatial_dims", "in_channels", "out_channels")
ONE_OUTPUT = ("deep_supervision", "deep_supr_num", "dsdepth")
NEEDS_EINOPS = ("SwinUNETR",)
HELD_TWICE = ("input_block", "downsamples", "bottleneck", "upsamples")  # by DynUNet; it computes with `skip_layers`
USUAL_SIZE_PX = 96


class Config(ModelConfig):
    """Settings of a network of MONAI."""

    task: ClassVar[Literal["classification", "segmentation"]] = "segmentation"
    name: Literal["monai_net"] = "monai_net"
    network: str = Field("UNet", description="class in monai.networks.nets")
    arguments: dict[str, Any] = Field(default_factory=dict, description="of that class, as MONAI documents them")

    @field_validator("network")
    @classmethod
    def _is_known(cls, network: str) -> str:
        if network not in NETWORKS:
            raise ValueError(f"glioray has no network of MONAI of this name{did_you_mean(network, NETWORKS)}")
        return network

    @model_validator(mode="after")
    def _knows_its_arguments(self) -> Config:
        for name in self.arguments:
            if name in FROM_DATA:
                raise ValueError(f"arguments.{name} comes from the data: remove it")
            if name in ONE_OUTPUT:
                raise ValueError(f"arguments.{name}: a network of MONAI learns at full size here: remove it")
            if name not in (known := _arguments(self.network)):
                raise ValueError(f"arguments.{name}: {self.network} has no such argument{did_you_mean(name, known)}")
        return self


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: MONAI refuses the arguments, or the network the size; the text names one that it takes.
        RecipeError: the network needs einops, which is not installed.
    """
    channels, outputs = signature.in_channels, signature.out_channels
    network = _network(config, channels, outputs)

    def trial(size_px: int) -> str:
        copied = copy.deepcopy(network).to("meta")
        return refusal(lambda: copied, channels, size_px, (1, outputs, size_px, size_px))

    require_size(trial, signature.image_size, USUAL_SIZE_PX, f"monai_net {config.network}")
    return network


def _network(config: Config, channels: int, outputs: int) -> nn.Module:
    if config.network in NEEDS_EINOPS and find_spec("einops") is None:
        raise RecipeError(f"model.network: {config.network} of MONAI needs einops: `pip install einops`")
    from monai.networks import nets

    arguments = {**NETWORKS[config.network], **config.arguments}
    shape = {"spatial_dims": 2, "in_channels": channels, "out_channels": outputs}
    try:
        network: nn.Module = getattr(nets, config.network)(**arguments, **shape)
    except Exception as error:  # each class checks its arguments in its own way, or not at all
        raise ModelError(f"monai_net: {config.network} refuses {arguments!r}: {brief(error)}") from None
    if config.network == "DynUNet":
        for name in HELD_TWICE:
            delattr(network, name)
    return network


def _arguments(network: str) -> list[str]:
    """What the class of MONAI lets one choose."""
    from monai.networks import nets

    return [
        name
        for name, parameter in inspect.signature(getattr(nets, network)).parameters.items()
        if name not in (*FROM_DATA, *ONE_OUTPUT) and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
