"""A bundle of the smallest network there is."""

from __future__ import annotations

import pytest
import torch

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.models import _contract as models
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
    torch.manual_seed(0)
    return ModelBundle(config, models.build(recipe.model, signature).state_dict())
