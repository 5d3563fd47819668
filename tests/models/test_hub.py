from __future__ import annotations

from pathlib import Path

import pytest

from glioray.errors import RecipeError
from glioray.models import _contract as models
from glioray.models import _hub
from glioray.models.timm_classifier import Config


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that has some files, and a list of what it was asked for; the cache is empty."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    errors = pytest.importorskip("huggingface_hub.errors")
    has, asked = set(), []

    def metadata(url, timeout):
        asked.append(url)
        if not any(url.endswith(name) for name in has):
            raise errors.EntryNotFoundError("404")

    def download(repository, name, etag_timeout):
        return str(tmp_path / repository.replace("/", "-") / name)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, name: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return has, asked


def unreachable(*_: object, **__: object) -> None:
    raise OSError("Name or service not known")


def test_weights_are_fetched_from_the_repository_that_timm_names(hub, tmp_path):
    hub[0].add("model.safetensors")

    assert _hub.fetch("resnet18") == tmp_path / "timm-resnet18.a1_in1k" / "model.safetensors"
    assert _hub.fetch("resnet18.a2_in1k") == tmp_path / "timm-resnet18.a2_in1k" / "model.safetensors"


def test_an_older_repository_has_its_weights_under_another_name(hub):
    hub[0].add("pytorch_model.bin")

    assert _hub.fetch("resnet18").name == "pytorch_model.bin"


def test_the_cache_is_enough(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, name: f"/cache/{name}")

    assert _hub.fetch("resnet18") == Path("/cache/model.safetensors")
    assert hub[1] == []


def test_a_hub_that_cannot_be_reached_is_asked_once_and_the_text_says_what_to_do(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)

    with pytest.raises(RecipeError) as caught:
        models.require_weights(Config(pretrained=True))

    text = str(caught.value)
    assert "\n" not in text
    assert "the weights of 'resnet18' cannot be fetched (Name or service not known)" in text
    assert "hf download timm/resnet18.a1_in1k model.safetensors" in text
    assert "model.weights=FILE" in text
    assert "model.pretrained=false" in text


def test_a_repository_without_weights_is_an_error_not_a_random_start(hub):
    with pytest.raises(RecipeError, match="cannot be fetched"):
        _hub.fetch("resnet18")


def test_a_network_without_trained_weights_says_so():
    with pytest.raises(RecipeError, match=r"no weights for 'test_maxvit'; set model.pretrained=false"):
        _hub.fetch("test_maxvit")


def test_weights_outside_of_the_hub_are_named_by_their_address():
    with pytest.raises(RecipeError, match=r"'gcvit_tiny' are not on the hub; download https://\S+gcvit_tiny\S+\.pth"):
        _hub.fetch("gcvit_tiny")
