from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError, RecipeError
from glioray.models import _contract as models
from glioray.models import timm_classifier, timm_unet
from glioray.models._layers import head
from glioray.models._timm import create


def saved(folder: Path, architecture: str, channels: int = 3, num_classes: int = 10, size_px: int = 160) -> nn.Module:
    """A network that learned on other images, in `folder / "w.safetensors"`."""
    torch.manual_seed(7)
    network = create(architecture, channels, size_px, num_classes)
    safetensors.torch.save_file(network.state_dict(), folder / "w.safetensors")
    return network


def begun(config: models.ModelConfig, signature: Signature, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = models.build(config, signature)
    models.start_weights(config, model)
    return model


def classifier(folder: Path, architecture: str) -> models.ModelConfig:
    return timm_classifier.Config(architecture=architecture, weights=str(folder / "w.safetensors"))


@pytest.mark.parametrize("architecture", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_all_but_the_head_comes_from_the_file(architecture, tmp_path):
    trained = saved(tmp_path, architecture).state_dict()

    model = begun(classifier(tmp_path, architecture), Signature(3, 4, 64))

    values, fresh = model.state_dict(), head(model)
    assert [name for name in values if name not in fresh and not torch.equal(values[name], trained[name])] == []


def test_a_fresh_head_follows_the_seed_of_the_run(tmp_path):
    saved(tmp_path, "test_resnet")
    config = classifier(tmp_path, "test_resnet")

    first, same, other = (begun(config, Signature(3, 4, 64), seed).fc.weight for seed in (0, 0, 1))

    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_head_of_as_many_classes_is_kept(tmp_path):
    trained = saved(tmp_path, "test_resnet", num_classes=4)

    model = begun(classifier(tmp_path, "test_resnet"), Signature(3, 4, 64))

    assert torch.equal(model.fc.weight, trained.fc.weight)


def test_a_file_without_a_head_is_taken(tmp_path):
    trained = saved(tmp_path, "test_vit", num_classes=0)

    model = begun(classifier(tmp_path, "test_vit"), Signature(3, 4, 160))

    assert torch.equal(model.blocks[0].attn.qkv.weight, trained.blocks[0].attn.qkv.weight)


def test_a_first_layer_sees_the_same_whether_gray_comes_once_or_in_every_channel(tmp_path):
    trained = saved(tmp_path, "test_efficientnet")
    gray = torch.randn(1, 1, 64, 64)

    one, six = (begun(classifier(tmp_path, "test_efficientnet"), Signature(channels, 4, 64)) for channels in (1, 6))

    expected = trained.conv_stem(gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(one.conv_stem(gray), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(six.conv_stem(gray.expand(-1, 6, -1, -1)), expected, rtol=1e-4, atol=1e-5)


def test_four_channels_begin_with_the_three_of_the_file_and_the_first_again(tmp_path):
    trained = saved(tmp_path, "test_efficientnet").conv_stem.weight

    weight = begun(classifier(tmp_path, "test_efficientnet"), Signature(4, 2, 64)).conv_stem.weight

    torch.testing.assert_close(weight, 0.75 * trained[:, [0, 1, 2, 0]])


def test_weights_of_our_own_gray_images_are_taken(tmp_path):
    trained = saved(tmp_path, "test_resnet", channels=1, num_classes=4)

    model = begun(classifier(tmp_path, "test_resnet"), Signature(1, 2, 64))

    assert torch.equal(model.conv1[0].weight, trained.conv1[0].weight)


def test_positions_are_fitted_to_another_size(tmp_path):
    trained = saved(tmp_path, "test_vit")

    model = begun(classifier(tmp_path, "test_vit"), Signature(3, 4, 64))

    assert model.pos_embed.shape != trained.pos_embed.shape
    assert model.pos_embed.mean().item() == pytest.approx(trained.pos_embed.mean().item(), abs=1e-3)
    assert torch.equal(model.blocks[1].mlp.fc1.weight, trained.blocks[1].mlp.fc1.weight)


@pytest.mark.parametrize("architecture", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_an_encoder_begins_with_the_weights_of_a_classifier(architecture, tmp_path):
    trained = saved(tmp_path, architecture).state_dict()
    config = timm_unet.Config(architecture=architecture, weights=str(tmp_path / "w.safetensors"), decoder_filters=2)

    model = begun(config, Signature(3, 2, 64))

    encoder = model.encoder.model.state_dict()
    assert encoder
    assert [name for name, value in encoder.items() if not torch.equal(value, trained[name])] == []


def test_weights_leave_the_random_state_alone(tmp_path):
    saved(tmp_path, "test_resnet")
    config = classifier(tmp_path, "test_resnet")
    model = models.build(config, Signature(3, 4, 64))
    before = torch.random.get_rng_state()

    models.start_weights(config, model)

    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("other", ["test_convnext", "test_efficientnet", "test_vit"])
def test_weights_of_another_architecture_are_refused(other, tmp_path):
    saved(tmp_path, "test_resnet")

    with pytest.raises(RecipeError, match=rf"is not of '{other}': it has \d+ tensors, .* set model.architecture to"):
        models.require_weights(classifier(tmp_path, other))


def test_weights_that_lack_a_layer_are_refused_although_the_classes_differ(tmp_path):
    state = saved(tmp_path, "test_resnet").state_dict()
    del state["layer2.0.conv1.weight"]
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")

    with pytest.raises(RecipeError, match="is not of 'test_resnet'"):
        models.require_weights(classifier(tmp_path, "test_resnet"))


def test_a_first_layer_that_cannot_be_adapted_is_refused(tmp_path, monkeypatch):
    saved(tmp_path, "test_resnet")
    monkeypatch.setattr("timm.models.adapt_input_conv", _not_implemented)

    with pytest.raises(ModelError, match="trained on 3 channels, cannot be adapted to 4 .*pretrained: false"):
        begun(classifier(tmp_path, "test_resnet"), Signature(4, 2, 64))


def test_a_state_dict_of_torch_is_read(tmp_path):
    trained = saved(tmp_path, "test_resnet")
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "w.pth")
    config = timm_classifier.Config(architecture="test_resnet", weights=str(tmp_path / "w.pth"))

    assert torch.equal(begun(config, Signature(3, 4, 64)).layer1[0].conv1.weight, trained.layer1[0].conv1.weight)


def test_a_file_that_is_not_there_is_named_with_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(RecipeError, match=rf"'w.pth': no such file \(looked for at '{tmp_path}/w.pth'\)"):
        models.require_weights(timm_classifier.Config(weights="w.pth"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("w.safetensors", b"x" * 99, r"is damaged \(.*\); get it again"),
        ("w.pth", b"x" * 99, "is no state dict of plain tensors; nothing else is read, since a pickle can run code"),
        ("w.pth", [1], "is no state dict of plain tensors"),
        ("w.pth", {"epoch": 3}, r"holds no state dict, but \['epoch'\]"),
        ("w.pth", {}, r"holds no state dict, but \[\]"),
        ("w.pth", {"a": len}, "is no state dict of plain tensors"),
    ],
)
def test_what_is_no_state_dict_is_refused_in_one_line(name, content, expected, tmp_path):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        torch.save(content, tmp_path / name)

    with pytest.raises(RecipeError, match=expected) as caught:
        models.require_weights(timm_classifier.Config(weights=str(tmp_path / name)))
    assert "\n" not in str(caught.value)


def test_a_model_without_weights_from_outside_is_left_alone():
    config = models.load("classic_unet").Config(base_filters=2)
    model = models.build(config, Signature(1, 2, 32))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    models.require_weights(config)
    models.start_weights(config, model)

    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def _not_implemented(*_: object, **__: object) -> None:
    raise NotImplementedError("not this layout")
