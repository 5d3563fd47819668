from __future__ import annotations

from importlib.util import find_spec

import pytest
import safetensors.torch
import torch
from pydantic import ValidationError

from glioray.data.records import Signature
from glioray.errors import ModelError, RecipeError
from glioray.models import monai_net
from glioray.models.monai_net import NETWORKS, Config, build

SMALL = {
    "DynUNet": {"filters": [4, 4, 8, 8, 8]},
    "MedNeXt": {"init_filters": 4, "blocks_down": [1] * 4, "blocks_up": [1] * 4},
    "SegResNetDS": {"init_filters": 8},
    "SwinUNETR": {"feature_size": 12},
}


def config(network: str) -> Config:
    if network in monai_net.NEEDS_EINOPS and find_spec("einops") is None:
        pytest.skip("einops is not installed")
    return Config(network=network, arguments=SMALL.get(network, {}))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_learns_with_all_of_its_parameters(network):
    model = build(config(network), Signature(2, 3, 64)).train()

    logits = model(torch.randn(2, 2, 64, 64))
    logits.square().mean().backward()

    assert logits.shape == (2, 3, 64, 64)
    # The gradient of a bias that a norm takes away again is rounding, and may be none at all.
    learning = [name for name, value in model.named_parameters() if value.grad is not None]
    moved = [name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()]
    assert learning == [name for name, _ in model.named_parameters()]
    assert [name for name in learning if name not in moved and not name.endswith(".bias")] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_saved_and_loaded_whole(network):
    model, other = (build(config(network), Signature(1, 2, 64)).eval() for _ in range(2))

    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(model.state_dict())))

    with torch.inference_mode():
        assert torch.equal(model(torch.ones(1, 1, 64, 64)), other(torch.ones(1, 1, 64, 64)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"network": "Unet"}, "no network of MONAI of this name; did you mean 'UNet'"),
        ({"arguments": {"chanels": [2, 4]}}, "arguments.chanels: UNet has no such argument; did you mean 'channels'"),
        ({"arguments": {"in_channels": 2}}, "arguments.in_channels comes from the data: remove it"),
        ({"network": "DynUNet", "arguments": {"deep_supervision": True}}, "learns at full size here: remove it"),
        ({"network": "SegResNetDS", "arguments": {"dsdepth": 2}}, "learns at full size here: remove it"),
    ],
)
def test_what_a_network_does_not_know_is_refused_before_anything_starts(values, expected):
    with pytest.raises(ValidationError, match=expected):
        Config(**values)


def test_an_argument_reaches_the_network():
    model = build(Config(arguments={"channels": [3, 5], "strides": [2]}), Signature(1, 2, 32))

    assert model.channels == [3, 5]


def test_a_value_that_monai_refuses_is_shown():
    with pytest.raises(ModelError, match=r"UNet refuses .*'channels': 'abc'"):
        build(Config(arguments={"channels": "abc"}), Signature(1, 2, 32))


@pytest.mark.parametrize(("network", "works_px"), [("UNet", 80), ("SegResNet", 80), ("AttentionUnet", 80)])
def test_a_size_that_it_cannot_halve_is_refused_with_one_that_it_can(network, works_px):
    with pytest.raises(ModelError, match=rf"{network}: 75 px is refused .*--image-size {works_px}"):
        build(Config(network=network), Signature(1, 2, 75))


def test_a_network_that_needs_einops_says_so(monkeypatch):
    monkeypatch.setattr(monai_net, "find_spec", lambda _: None)

    with pytest.raises(RecipeError, match="SwinUNETR of MONAI needs einops: `pip install einops`"):
        build(Config(network="SwinUNETR"), Signature(1, 2, 64))
