from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime
import pytest
import torch
from tests.contracts.test_export import bundle_of

from glioray.cli import main
from glioray.data.prepared import PreparedDataset, load_side
from glioray.data.records import Signature
from glioray.errors import DataError, ModelError
from glioray.export import formats, run
from glioray.export.about import about
from glioray.export.run import difference, export, proving_data
from glioray.registry.bundle import Calibration, ModelBundle
from glioray.registry.card import NOT_A_DEVICE
from glioray.registry.ensemble import Named, average
from glioray.serving.predictor import Predictor


def images_of(num_images: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (num_images, 2, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def answers(path: Path, images: torch.Tensor) -> torch.Tensor:
    (answer,) = onnxruntime.InferenceSession(path).run(None, {"pixels": images.float().numpy()})
    return torch.from_numpy(answer)


def test_an_average_with_mirrored_copies_is_one_file_that_answers_like_all_its_members(bundle, another, onnx_file):
    together = average([Named("a", bundle), Named("b", another(1))], flips="both")

    found = export(together, "onnx", onnx_file)

    expected = Predictor.load(together).predict(images_of())
    torch.testing.assert_close(answers(onnx_file, images_of()), expected, rtol=0, atol=1e-4)
    assert not torch.allclose(expected, Predictor.load(bundle).predict(images_of()), atol=1e-3)
    assert found.difference <= 1e-4


def test_the_temperature_is_inside(tmp_path):
    bundle = bundle_of("custom_cnn")
    hot = Calibration(temperature=3.0, ece_before=0.1, ece_after=0.05, units=9, unit="patients")
    calibrated = ModelBundle(bundle.config.model_copy(update={"calibration": hot}), bundle.weights)

    export(calibrated, "torch-export", tmp_path / "model.pt2")

    program = torch.export.load(tmp_path / "model.pt2").module()
    images = run.random_images(Signature(2, 3, 96))
    expected, uncalibrated = (Predictor.load(one).predict(images) for one in (calibrated, bundle))
    torch.testing.assert_close(program(images.float()), expected, rtol=0, atol=1e-4)
    assert not torch.allclose(expected, uncalibrated, atol=1e-3)


def test_val_images_are_the_first_rows_of_the_val_side(slices: PreparedDataset):
    images = run.val_images(slices)

    rows = load_side(slices.folder, slices.manifest, "val")["image"]
    assert torch.equal(images, rows[: run.NUM_VAL])
    assert 0 < len(images) <= run.NUM_VAL


def test_val_images_of_another_kind_than_the_model_takes_are_refused(bundle, onnx_file, volumes: PreparedDataset):
    with pytest.raises(ModelError, match=r"takes prepared images of .* \(2, 16, 16\), these are \(4, 32, 32\)"):
        export(bundle, "onnx", onnx_file, volumes)

    assert list(onnx_file.parent.iterdir()) == []


def test_the_file_says_what_it_is_and_what_it_is_not(bundle, onnx_file):
    export(bundle, "onnx", onnx_file)

    said = onnxruntime.InferenceSession(onnx_file).get_modelmeta()
    inside = said.custom_metadata_map
    assert inside["notice"] == NOT_A_DEVICE == said.description
    assert json.loads(inside["channels"]) == ["t1", "flair"]
    assert json.loads(inside["labels"]) == {"edema": 2}
    assert inside["data_fingerprint"] == "0123456789ab"
    assert json.loads(inside["preprocessing"])["intensity"] == "as_is"
    assert set(json.loads(inside["versions"])) == {"glioray", "torch"}
    assert set(inside) == set(about(bundle.config))


def test_of_regions_the_outputs_are_the_regions():
    config = bundle_of("classic_unet").config
    regions = {"WT": ("necrotic", "edema", "enhancing"), "TC": ("necrotic", "enhancing"), "ET": ("enhancing",)}
    recipe = {**config.recipe, "loss": {**config.recipe["loss"], "target": "regions"}}
    contents = config.contents.model_copy(update={"regions": regions})

    said = about(config.model_copy(update={"recipe": recipe, "contents": contents, "smallest_part_px": 9}))

    assert said["output"]["names"] == ["WT", "TC", "ET"]
    assert said["output"]["shape"] == ["batch", 3, 96, 96]
    assert "innermost region" in said["answer"]
    assert "smallest_part_px" in said["answer"]


def test_a_file_that_answers_otherwise_is_refused_and_the_one_before_stays(bundle, onnx_file, monkeypatch):
    onnx_file.write_text("the one before")
    honest = formats._FORMATS["onnx"]
    wrong = formats.Format(honest.write, lambda path: lambda pixels: honest.open(path)(pixels) + 2e-4)
    monkeypatch.setitem(formats._FORMATS, "onnx", wrong)

    with pytest.raises(ModelError, match=r"answers otherwise, by up to 0\.0002 of a probability where 0\.0001"):
        export(bundle, "onnx", onnx_file)

    assert [path.name for path in onnx_file.parent.iterdir()] == ["model.onnx"]
    assert onnx_file.read_text() == "the one before"


def test_an_answer_that_is_no_number_is_no_proof(bundle):
    found = difference(
        Predictor.load(bundle), lambda pixels: torch.full((len(pixels), 1, 16, 16), torch.nan), images_of()
    )

    assert not found <= run.ALLOWED


def test_without_its_extra_one_line_says_what_to_install(bundle, onnx_file, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxscript" else object())

    with pytest.raises(ModelError, match=r"needs onnxscript, not installed here: pip install 'glioray\[export\]'"):
        export(bundle, "onnx", onnx_file)


@pytest.mark.parametrize(("place", "words"), [(".", "is a folder"), ("none/model.onnx", "there is no folder")])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(bundle, tmp_path, place, words):
    with pytest.raises(DataError, match=words):
        export(bundle, "onnx", tmp_path / place)


def test_data_that_are_gone_are_no_error_but_those_that_are_asked_for_must_be_there(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert proving_data(bundle.config, None) is None
    with pytest.raises(DataError, match="no such file"):
        proving_data(bundle.config, "elsewhere")


def test_the_verb_states_the_difference_and_over_which_images(bundle, onnx_file, tmp_path, monkeypatch, capsys):
    bundle.save(tmp_path / "run" / "bundle")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["glioray", "export", "run", "--out", str(onnx_file), "--json"])

    with pytest.raises(SystemExit) as stopped:
        main()

    facts = json.loads(capsys.readouterr().out)
    assert stopped.value.code in (0, None)
    assert 0 <= facts["max_difference"] <= 1e-4
    assert "3 random and 0 val images" in facts["max_difference_is"]
    assert facts["output"] == "probabilities (batch, 1, 16, 16) float32: edema"
    assert answers(onnx_file, images_of()).shape == (3, 1, 16, 16)
