"""Every architecture as a file for other programs; a new file in `models/` is covered by being there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from tests.contracts.test_models import NAMES, SMALL, recipe_of

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.export.formats import ABOUT_FILE
from glioray.export.run import export
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle, versions
from glioray.serving.predictor import Predictor

every_model = pytest.mark.parametrize("name", NAMES)
every_batch_size = (1, 3)
TINY = SMALL | {"depth": 2}
ROOT = Path(__file__).parents[2]


def bundle_of(name: str) -> ModelBundle:
    """Of an untrained network, whose BatchNorm has figures that make a difference."""
    recipe = recipe_of(name)
    values: dict[str, Any] = recipe.values()
    values["model"] |= {field: value for field, value in TINY.items() if field in type(recipe.model).model_fields}
    recipe = Recipe.from_values(values)
    is_classifier = recipe.task == "classification"
    contents = Contents(
        task=recipe.task,
        channels=("t1", "flair"),
        classes=("glioma", "meningioma", "none") if is_classifier else (),
        labels={} if is_classifier else {"necrotic": 1, "edema": 2, "enhancing": 4},
        citation="toy",
    )
    signature = Signature(2, 3, 96)
    torch.manual_seed(0)
    network = build_network(recipe, contents, signature)
    weights = {key: value + 0.1 if "running" in key else value for key, value in network.state_dict().items()}
    config = BundleConfig(
        recipe=recipe.values(),
        signature=signature,
        contents=contents,
        preprocessing=Preprocessing(image_size=96, crop_head=False, intensity="as_is"),
        normalization=Normalization(mean=(100.0, 120.0), std=(60.0, 70.0)),
        data_fingerprint="0123456789ab",
        source_hash="5ca9",
        leak=None,
        epoch=1,
        versions=versions(),
    )
    return ModelBundle(config, weights)


def images_of(num_images: int) -> torch.Tensor:
    return torch.randint(0, 256, (num_images, 2, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))


@every_model
def test_its_onnx_file_answers_as_the_service_does_whatever_the_batch(name, tmp_path: Path):
    bundle = bundle_of(name)
    predictor = Predictor.load(bundle)

    found = export(bundle, "onnx", tmp_path / "model.onnx")

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for num_images in every_batch_size:
        images = images_of(num_images)
        (answer,) = session.run(["probabilities"], {"pixels": images.float().numpy()})
        torch.testing.assert_close(torch.from_numpy(answer), predictor.predict(images), rtol=0, atol=1e-4)
    assert found.difference <= 1e-4
    onnx.checker.check_model(tmp_path / "model.onnx")
    assert session.get_inputs()[0].shape == ["batch", 2, 96, 96]
    assert str(ROOT).encode() not in (tmp_path / "model.onnx").read_bytes()


@every_model
def test_its_torch_program_loaded_again_answers_as_the_service_does(name, tmp_path: Path):
    bundle = bundle_of(name)
    predictor = Predictor.load(bundle)

    export(bundle, "torch-export", tmp_path / "model.pt2")

    inside = {ABOUT_FILE: ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=inside).module()
    for num_images in every_batch_size:
        images = images_of(num_images)
        torch.testing.assert_close(program(images.float()), predictor.predict(images), rtol=0, atol=1e-4)
    assert json.loads(inside[ABOUT_FILE])["architecture"] == name
    assert str(ROOT).encode() not in (tmp_path / "model.pt2").read_bytes()
