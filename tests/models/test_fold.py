from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from glioray.data.records import Signature
from glioray.models import _contract as models
from glioray.models._fold import folded

NETWORKS = [
    ("custom_cnn", Signature(3, 4, 96), {}),
    ("improved_unet", Signature(4, 3, 32), {"base_filters": 4}),
    ("attention_unet", Signature(4, 3, 32), {"base_filters": 4, "deep_supervision": True}),
    ("timm_classifier", Signature(3, 4, 64), {"architecture": "resnet18"}),
    ("timm_classifier", Signature(3, 4, 64), {"architecture": "mobilenetv3_small_050"}),  # BatchNorm with activation
    ("timm_unet", Signature(4, 3, 64), {"architecture": "resnet18"}),
]


def as_if_trained(model: nn.Module) -> nn.Module:
    """With figures in every BatchNorm, as a training leaves them."""
    torch.manual_seed(0)
    for module in norms(model):
        nn.init.normal_(module.running_mean, std=0.3)
        nn.init.uniform_(module.running_var, 0.5, 2.0)
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, std=0.3)
    return model.eval()


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def answer(model: nn.Module, *shape: int) -> Tensor:
    with torch.no_grad():
        output: Tensor = model(torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)))
    return output


@pytest.mark.parametrize(("name", "signature", "settings"), NETWORKS)
def test_a_folded_network_answers_the_same_without_a_batchnorm(name, signature, settings):
    model = as_if_trained(models.build(models.load(name).Config(**settings), signature))
    shape = (signature.in_channels, signature.image_size, signature.image_size)

    lighter = folded(model)

    expected = answer(model, *shape)
    assert norms(model)
    assert not norms(lighter)
    torch.testing.assert_close(answer(lighter, *shape), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_the_network_itself_stays_as_it_is():
    model = as_if_trained(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    lighter = folded(model)

    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.training
    assert not lighter.training
    assert not any(parameter.requires_grad for parameter in lighter.parameters())


class ReadTwice(nn.Module):
    """The convolution's own output is part of the answer, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

    def forward(self, image: Tensor) -> Tensor:
        features = self.conv(image)
        return features + self.norm(features)


class Shared(nn.Module):
    """One convolution in two places, behind one of which there is a BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv(self.norm(self.conv(image)))


class Standardized(nn.Conv2d):
    """What its weights are is not what it convolves with."""

    def forward(self, image: Tensor) -> Tensor:
        return self._conv_forward(image, self.weight / self.weight.norm(), self.bias)


@pytest.mark.parametrize(
    "network", [ReadTwice, Shared, lambda: nn.Sequential(Standardized(1, 2, 3), nn.BatchNorm2d(2))]
)
def test_what_cannot_be_folded_is_left(network):
    model = as_if_trained(network())

    lighter = folded(model)

    assert len(norms(lighter)) == 1
    torch.testing.assert_close(answer(lighter, 1, 8, 8), answer(model, 1, 8, 8))


def test_a_batchnorm_before_a_convolution_is_not_folded_into_it():
    model = as_if_trained(nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3, padding=1)))

    assert len(norms(folded(model))) == 1


class Undecided(nn.Module):
    """Its way depends on the values: a trace cannot follow it, but can follow its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.part(image)
        return features if features.sum() > 0 else -features


def test_the_parts_of_a_network_that_cannot_be_traced_are_folded():
    model = as_if_trained(Undecided())

    lighter = folded(model)

    assert not norms(lighter)
    torch.testing.assert_close(answer(lighter, 1, 8, 8), answer(model, 1, 8, 8))
