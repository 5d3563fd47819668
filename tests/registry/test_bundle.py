from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glioray.data.records import Signature
from glioray.errors import BundleError
from glioray.registry.bundle import CARD, CONFIG, DOMAIN, WEIGHTS, ModelBundle, Score


def score(**changes: object) -> Score:
    values = {
        "name": "dice",
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "split": "test",
        "units": 9,
        "unit": "patients",
        "seed": 0,
    }
    return Score(**{**values, **changes})


def edit_config(folder, **changes) -> None:
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, **changes}))


def test_a_saved_bundle_is_loaded_exactly(bundle, tmp_path):
    scored = bundle.with_scores((score(), score(name="iou", low=None, high=None)))
    scored.save(tmp_path / "bundle")

    loaded = ModelBundle.load(tmp_path / "bundle")

    assert loaded.config == scored.config
    assert loaded.config.learned_from == ("hash1", "hash2")
    assert all(torch.equal(loaded.weights[name], scored.weights[name]) for name in scored.weights)
    images = torch.randn(2, 2, 16, 16)
    with torch.inference_mode():
        assert torch.equal(loaded.build()(images), bundle.build()(images))


def test_a_built_network_is_in_eval_mode(bundle):
    assert not bundle.build().training


def test_the_folder_holds_the_three_files_and_nothing_else(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")

    assert {path.name for path in (tmp_path / "bundle").iterdir()} == {WEIGHTS, CONFIG, CARD}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_saving_again_replaces_the_folder(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")

    bundle.with_scores((score(),)).save(tmp_path / "bundle")

    assert ModelBundle.load(tmp_path / "bundle").config.scores == (score(),)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_failure_while_saving_leaves_the_older_bundle(bundle, tmp_path, monkeypatch):
    bundle.save(tmp_path / "bundle")
    monkeypatch.setattr("glioray.registry.bundle.render_card", lambda config: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        bundle.with_scores((score(),)).save(tmp_path / "bundle")

    assert ModelBundle.load(tmp_path / "bundle").config.scores == ()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_transposed_weight_is_saved_as_it_looks(bundle, tmp_path):
    name = next(iter(bundle.weights))
    turned = bundle.weights[name].to(memory_format=torch.channels_last)
    replace(bundle, weights={**bundle.weights, name: turned}).save(tmp_path / "bundle")

    assert torch.equal(ModelBundle.load(tmp_path / "bundle").weights[name], turned)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_weights_are_refused_by_their_path(bundle, tmp_path, share):
    bundle.save(tmp_path)
    content = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(content[: int(share * len(content))])

    with pytest.raises(BundleError, match=r"model\.safetensors: damaged"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG])
def test_a_missing_file_is_named(bundle, tmp_path, file):
    bundle.save(tmp_path)
    (tmp_path / file).unlink()

    with pytest.raises(BundleError, match=f"{file}: no such file"):
        ModelBundle.load(tmp_path)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle of glioray"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_schema_version_is_refused_with_both_numbers(bundle, tmp_path, version):
    bundle.save(tmp_path)
    edit_config(tmp_path, schema_version=version)

    with pytest.raises(BundleError, match=f"schema version {version!r}; this glioray reads version 1"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"schema_version"', b"[" * 100_000],
    ids=["empty", "cut", "list", "null", "binary", "text", "deep"],
)
def test_a_config_that_is_not_one_is_refused(bundle, tmp_path, content):
    bundle.save(tmp_path)
    (tmp_path / CONFIG).write_bytes(content)

    with pytest.raises(BundleError, match=r"config\.json"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epoch": "third"}, "epoch"),
        ({"surprise": 1}, "surprise"),
        ({"recipe": {"task": "segmentation"}}, "model.name: missing"),
        ({"signature": {"in_channels": 1}}, "signature"),
    ],
)
def test_a_config_with_a_wrong_field_names_it(bundle, tmp_path, changes, expected):
    bundle.save(tmp_path)
    edit_config(tmp_path, **changes)

    with pytest.raises(BundleError, match=expected):
        ModelBundle.load(tmp_path)


def test_weights_of_another_architecture_are_refused(bundle):
    wider = {**bundle.config.recipe, "model": {"name": "classic_unet", "base_filters": 4, "depth": 1}}
    other = replace(bundle, config=bundle.config.model_copy(update={"recipe": wider}))

    with pytest.raises(BundleError, match="weights do not fit 'classic_unet'"):
        other.build()


def test_a_missing_weight_is_refused(bundle):
    fewer = dict(list(bundle.weights.items())[1:])

    with pytest.raises(BundleError, match="weights do not fit"):
        replace(bundle, weights=fewer).build()


def test_a_size_that_the_architecture_cannot_take_is_refused_as_a_damaged_bundle(bundle):
    odd = replace(
        bundle, config=bundle.config.model_copy(update={"signature": replace(bundle.config.signature, image_size=17)})
    )

    with pytest.raises(BundleError, match="17 px"):
        odd.build()


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("write", [pickle.dump, lambda value, file: torch.save(value, file)], ids=["pickle", "torch"])
def test_a_pickle_that_is_named_as_weights_is_refused_and_never_unpickled(bundle, tmp_path, write):
    bundle.save(tmp_path / "bundle")
    for name in (WEIGHTS, DOMAIN):
        with (tmp_path / "bundle" / name).open("wb") as file:
            write({"weight": Touch(tmp_path / "ran")}, file)

        with pytest.raises(BundleError, match=f"{name}: damaged"):
            ModelBundle.load(tmp_path / "bundle")
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "resnet"}, "no architecture is called 'resnet'"),
        ({"name": "os.system"}, "no architecture"),
        ({"name": "_blocks"}, "no architecture"),
        ({"name": "../../evil"}, "no architecture"),
        ({"name": "monai_net", "network": "torch.hub.load"}, "no network of MONAI"),
        ({"name": "monai_net", "network": "UNet", "arguments": {"__class__": "x"}}, "no such argument"),
        ({"name": "timm_unet", "architecture": "hf-hub:someone/evil"}, "timm has no network"),
        ({"name": "timm_unet", "architecture": "local-dir:/tmp/evil"}, "timm has no network"),
        ({"name": "classic_unet", "surprise": 1}, "surprise"),
    ],
    ids=lambda value: (
        str(value.get("network") or value.get("architecture") or value["name"]) if isinstance(value, dict) else ""
    ),
)
def test_a_config_that_names_another_class_is_refused(bundle, tmp_path, model, said):
    bundle.save(tmp_path)
    edit_config(tmp_path, recipe={**bundle.config.recipe, "model": model})

    with pytest.raises(BundleError, match=said):
        ModelBundle.load(tmp_path)


def test_weights_of_another_shape_are_refused(bundle):
    name, weight = next(iter(bundle.weights.items()))
    taller = {**bundle.weights, name: torch.cat([weight, weight])}

    with pytest.raises(BundleError, match=f"weights do not fit 'classic_unet': '{name}' is"):
        replace(bundle, weights=taller).build()


def test_a_network_larger_than_its_weights_is_refused_before_it_is_made(bundle, monkeypatch):
    """256 filters and six halvings are 16 GB of weights; the file has a few kB."""
    giant = {**bundle.config.recipe, "model": {"name": "classic_unet", "base_filters": 256, "depth": 6}}
    changes = {"recipe": giant, "signature": Signature(2, 1, 64)}
    other = replace(bundle, config=bundle.config.model_copy(update=changes))
    made = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, **how: made.append(empty(*size, **how)) or made[-1])

    with pytest.raises(BundleError, match="weights do not fit"):
        other.build()
    assert {tensor.device.type for tensor in made} == {"meta"}


@pytest.mark.parametrize(
    "signature",
    [
        {"in_channels": 2, "out_channels": 1, "image_size": 1_000_000},
        {"in_channels": 2_000_000, "out_channels": 1, "image_size": 16},
        {"in_channels": 2, "out_channels": 9, "image_size": 16},
    ],
)
def test_a_signature_that_is_not_of_the_data_is_refused(bundle, tmp_path, signature):
    bundle.save(tmp_path)
    edit_config(tmp_path, signature=signature)

    with pytest.raises(BundleError, match="contents and preprocessing are of"):
        ModelBundle.load(tmp_path)


def test_a_config_that_is_nested_too_deeply_is_refused(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    (tmp_path / "bundle" / CONFIG).write_text('{"recipe": ' * 20_000 + "1" + "}" * 20_000)

    with pytest.raises(BundleError, match=r"config.json: damaged \(it is nested too deeply\)"):
        ModelBundle.load(tmp_path / "bundle")
