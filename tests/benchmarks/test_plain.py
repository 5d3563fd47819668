"""The plain networks of the benchmark are the same networks: what is faster there is not something else."""

from __future__ import annotations

import copy
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.models import _contract as models

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
U_NETS = ("classic_unet", "improved_unet", "attention_unet")
CLASSIFIERS = ("custom_cnn", "alexnet", "vgg16", "vit")


@pytest.fixture
def plain(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("_plain")
    sys.modules.pop("_plain")


def pair(plain: ModuleType, name: str, signature: Signature, **settings) -> tuple[nn.Module, nn.Module]:
    """Ours as it is trained, and the plain one with the same weights."""
    torch.manual_seed(0)
    config = models.load(name).Config(**settings)
    ours = models.build(config, signature)
    reference = plain.plain(name, signature.in_channels, signature.out_channels, settings.get("base_filters", 16))
    plain.take_weights(ours, reference)
    return ours.to(memory_format=torch.channels_last), reference


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_as_the_plain_one(plain, name):
    ours, reference = pair(plain, name, Signature(3, 4, 128))
    images = torch.rand(2, 3, 128, 128)

    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), reference.eval()(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", U_NETS)
def test_a_unet_answers_as_the_plain_one(plain, name):
    ours, reference = pair(plain, name, Signature(4, 3, 64), base_filters=4)
    images = torch.rand(2, 4, 64, 64)

    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), reference.eval()(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", U_NETS)
def test_in_training_a_unet_is_as_exact_as_the_plain_one(plain, name):
    ours, reference = pair(plain, name, Signature(4, 3, 64), base_filters=4)
    exact = copy.deepcopy(reference).double()
    images = torch.rand(4, 4, 64, 64)

    logits, expected, true = ours(images), reference(images), exact(images.double())

    # BatchNorms one above the other make much of the last digit, also in the plain network.
    assert (logits - true).norm() < 3 * (expected - true).norm()
    assert (logits - expected).abs().max() < 1e-4 * true.abs().max()


@pytest.mark.parametrize("name", U_NETS)
def test_a_unet_has_the_gradients_of_the_plain_one(plain, name):
    ours, reference = pair(plain, name, Signature(4, 3, 64), base_filters=4)
    exact = copy.deepcopy(reference).double()
    images = torch.rand(4, 4, 64, 64)

    for model in (ours, reference, exact):
        model(images.to(next(model.parameters()).dtype)).square().mean().backward()

    mine, expected, true = (gradient_of(model) for model in (ours, reference, exact))
    assert (mine - true).norm() < 3 * (expected - true).norm()
    assert (mine - expected).norm() < 1e-3 * true.norm()


def gradient_of(model: nn.Module) -> torch.Tensor:
    """Of all parameters, one after the other."""
    return torch.cat([parameter.grad.flatten().double() for parameter in model.parameters()])
