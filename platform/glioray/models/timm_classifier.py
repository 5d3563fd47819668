"""Any classifier of timm by its name, from nothing or from weights that learned on other images.

Source: Wightman 2019, "PyTorch Image Models", github.com/huggingface/pytorch-image-models; each of its networks names
its own paper. Differs from it: as many input channels and classes as the data have. The first layer of trained weights
is adapted to other channels as timm does it; the head starts fresh where the classes are others.

Shapes: (B,C,H,W) to logits (B,K).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from glioray.models._contract import Signature
from glioray.models._layers import head
from glioray.models._sizes import refusal, require_size
from glioray.models._timm import TimmConfig, create, own_size, require_whole_patches
from glioray.models._weights import begin_with, check_weights


class Config(TimmConfig):
    """Settings of a classifier of timm."""

    task: ClassVar[Literal["classification", "segmentation"]] = "classification"
    name: Literal["timm_classifier"] = "timm_classifier"
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the head's inputs left out in training")
    drop_path: float = Field(
        0.0, ge=0, lt=1, description="chance that a block is passed by in training (Huang 2016, arXiv 1603.09382)"
    )


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature, with random weights whatever the config begins with.

    Raises:
        ModelError: the network cannot take the size, or has no such setting; the text names a size that it takes.
    """
    channels, classes = signature.in_channels, signature.out_channels

    def network(size_px: int) -> nn.Module:
        return create(config.architecture, channels, size_px, classes, config.dropout, config.drop_path)

    def trial(size_px: int) -> str:
        return refusal(lambda: require_whole_patches(network(size_px), size_px), channels, size_px, (1, classes))

    require_size(trial, signature.image_size, own_size(config.architecture), f"timm_classifier {config.architecture}")
    return network(signature.image_size)


def start_weights(config: Config, model: nn.Module) -> None:
    """Loads the weights that the config begins with; does nothing where it begins from nothing."""
    begin_with(config, model, fresh=head(model))


def require_weights(config: Config) -> None:
    """Fetches and checks the weights that the config begins with."""
    check_weights(config)
