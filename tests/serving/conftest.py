"""Two tiny models with random weights, and pictures that they can be asked about."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.serving.predictor import Predictor

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}


@pytest.fixture(scope="session")
def classifier_bundle() -> ModelBundle:
    contents = Contents(task="classification", channels=("grey",), classes=CLASSES, citation="a test")
    return _bundle(
        contents, {"name": "custom_cnn"}, Preprocessing(image_size=80, crop_head=True, intensity="percentile")
    )


@pytest.fixture(scope="session")
def segmenter_bundle() -> ModelBundle:
    contents = Contents(
        task="segmentation",
        channels=("t1", "flair"),
        labels=LABELS,
        regions={"WT": tuple(LABELS)},
        synthetic=True,
        citation="a test",
    )
    model = {"name": "classic_unet", "base_filters": 2, "depth": 2}
    return _bundle(contents, model, Preprocessing(image_size=32, crop_head=False, intensity="percentile"))


@pytest.fixture(scope="session")
def classifier(classifier_bundle: ModelBundle) -> Predictor:
    return Predictor.load(classifier_bundle)


@pytest.fixture(scope="session")
def segmenter(segmenter_bundle: ModelBundle) -> Predictor:
    return Predictor.load(segmenter_bundle)


@pytest.fixture(scope="session")
def slice_of() -> Callable[..., NDArray[np.uint8]]:
    """(channels, height, width) of a bright disk of noise on black, another one for every seed."""

    def make(channels: int, height: int = 60, width: int = 48, seed: int = 0) -> NDArray[np.uint8]:
        rows, columns = np.mgrid[:height, :width]
        disk = np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 2.5
        noise = np.random.default_rng(seed).integers(60, 256, (channels, height, width))
        return (noise * disk).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def file_of() -> Callable[[NDArray[Any]], bytes]:
    """A PNG of one channel, a .npy of several."""

    def write(pixels: NDArray[Any]) -> bytes:
        stream = io.BytesIO()
        if pixels.shape[0] == 1:
            Image.fromarray(pixels[0]).save(stream, "PNG")
        else:
            np.save(stream, pixels)
        return stream.getvalue()

    return write


def _bundle(contents: Contents, model: dict[str, Any], preprocessing: Preprocessing) -> ModelBundle:
    torch.manual_seed(0)
    recipe = Recipe.from_values({"task": contents.task, "data": {"path": "x"}, "model": model, "loss": {}})
    num_channels = len(contents.channels)
    signature = Signature(num_channels, len(contents.outputs), preprocessing.image_size)
    network = models.build(recipe.model, signature)
    config = BundleConfig(
        recipe=recipe.values(),
        signature=signature,
        contents=contents,
        preprocessing=preprocessing,
        normalization=Normalization(mean=(60.0,) * num_channels, std=(50.0,) * num_channels),
        data_fingerprint="0123456789ab",
        source_hash="5ca9",
        leak=None,
        epoch=1,
        versions={},
    )
    weights = dict(network.state_dict())
    if "head.bias" in weights:  # a U-Net of random weights would find nothing; this one finds all its labels
        weights["head.weight"] = weights["head.weight"] * 40
        weights["head.bias"] = torch.tensor([0.3, 0.2, 0.1])
    return ModelBundle(config, weights)
