"""A Vision Transformer: patches as words, a class token, learned positions.

Source: Dosovitskiy 2021, arXiv 2010.11929, by timm's VisionTransformer. Stochastic depth: Huang 2016, arXiv 1603.09382.
Differs from it: smaller (dim 512, 10 layers of 8 heads, MLP of 1024). The class token is read by one linear layer.
Differs from the course project that glioray continues, whose encoder adds a second residual around layers that have
one, shares one LayerNorm between all of them, drops out logits and fixes the patch: none of that is repeated.

Shapes: (B,C,H,W) to logits (B,K).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from torch import nn

import glioray._torchvision  # noqa: F401  (timm imports torchvision)
from glioray.errors import ModelError
from glioray.models._contract import ModelConfig, Signature


class Config(ModelConfig):
    """Settings of the Vision Transformer."""

    task: ClassVar[Literal["classification", "segmentation"]] = "classification"
    name: Literal["vit"] = "vit"
    patch_size: int = Field(16, ge=2, le=64, description="side of a patch in px; the image is a multiple of it")
    dim: int = Field(512, ge=8, le=2048, description="width of a token")
    depth: int = Field(10, ge=1, le=48, description="number of layers")
    heads: int = Field(8, ge=1, le=64, description="of each attention; they divide dim")
    mlp: int = Field(1024, ge=8, le=8192, description="hidden units of each layer's MLP")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of positions, projections and MLP units left out")
    drop_path: float = Field(0.0, ge=0, lt=1, description="share of images that skip the last layer; earlier ones less")

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} does not divide into {self.heads} heads: choose a multiple of heads")
        return self


def build(config: Config, signature: Signature) -> nn.Module:
    """The network for images of this signature.

    Raises:
        ModelError: the image does not divide into patches.
    """
    from timm.models.vision_transformer import VisionTransformer

    _require_patches(signature.image_size, config.patch_size)
    network: nn.Module = VisionTransformer(
        img_size=signature.image_size,
        patch_size=config.patch_size,
        in_chans=signature.in_channels,
        num_classes=signature.out_channels,
        embed_dim=config.dim,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=(config.mlp + 0.5) / config.dim,  # timm multiplies by dim and cuts off: the half keeps mlp exact
        pos_drop_rate=config.dropout,
        proj_drop_rate=config.dropout,
        drop_path_rate=config.drop_path,
    )
    return network


def _require_patches(image_size: int, patch_size: int) -> None:
    if image_size % patch_size:
        padded = (image_size // patch_size + 1) * patch_size
        raise ModelError(
            f"vit: {image_size} px does not divide into patches of {patch_size} px; "
            f"prepare the data with --image-size {padded}"
        )
