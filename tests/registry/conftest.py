"""Bundles of the smallest networks there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle, versions


@pytest.fixture
def bundle() -> ModelBundle:
    """An untrained U-Net with two filters."""
    recipe = Recipe.from_values(
        {
            "task": "segmentation",
            "data": {"path": "data/toy"},
            "model": {"name": "classic_unet", "base_filters": 2, "depth": 1},
        }
    )
    signature = Signature(2, 1, 16)
    config = BundleConfig(
        recipe=recipe.values(),
        signature=signature,
        contents=Contents(task="segmentation", channels=("t1", "flair"), labels={"edema": 2}, citation="toy"),
        preprocessing=Preprocessing(image_size=16, crop_head=False, intensity="as_is"),
        normalization=Normalization(mean=(1.0, 2.0), std=(3.0, 4.0)),
        data_fingerprint="0123456789ab",
        source_hash="5ca9",
        learned_from=("hash1", "hash2"),
        leak=None,
        epoch=3,
        versions=versions(),
    )
    return with_fresh_weights(config, 0)


@pytest.fixture
def another(bundle: ModelBundle) -> Callable[..., ModelBundle]:
    """The bundle with another seed, other settings of its recipe and other fields of its config."""

    def make(seed: int, settings: dict[str, Any] | None = None, **changes: Any) -> ModelBundle:
        recipe = Recipe.from_values(bundle.config.recipe).with_values("seed", seed)
        for path, value in (settings or {}).items():
            recipe = recipe.with_values(path, value)
        return with_fresh_weights(bundle.config.model_copy(update={"recipe": recipe.values(), **changes}), seed)

    return make


def with_fresh_weights(config: BundleConfig, seed: int) -> ModelBundle:
    torch.manual_seed(seed)
    recipe = Recipe.from_values(config.recipe)
    return ModelBundle(config, build_network(recipe, config.contents, config.signature).state_dict())
