from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.alexnet import SMALLEST_PX
from glioray.models.custom_cnn import Config, build


def test_it_has_as_many_parameters_as_the_course_project_had():
    assert num_parameters(build(Config(), Signature(3, 4, 128))) == 3_001_156


def test_its_head_follows_the_image_size():
    at_128, at_256 = (build(Config(), Signature(3, 4, size)) for size in (128, 256))

    widths = [
        [layer.in_features for layer in model.modules() if isinstance(layer, nn.Linear)] for model in (at_128, at_256)
    ]
    assert widths[0] == [1024, 512, 128]
    assert widths[1][0] > 1024


def test_dropout_is_the_one_asked_for():
    model = build(Config(dropout=0.25), Signature(3, 4, 128))

    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.25}


def test_its_smallest_image_works_and_a_smaller_one_is_refused():
    build(Config(), Signature(1, 2, SMALLEST_PX))

    with pytest.raises(ModelError, match="79 px is too small"):
        build(Config(), Signature(1, 2, SMALLEST_PX - 1))


def test_its_shortcut_needs_no_weights_and_is_used():
    plain, residual = (build(Config(skip=skip), Signature(3, 4, 128)).eval() for skip in ("none", "residual"))
    for (_, target), (_, source) in zip(residual.named_parameters(), plain.named_parameters(), strict=True):
        target.data = source.data

    image = torch.randn(1, 3, 128, 128)

    assert not torch.allclose(plain(image), residual(image))


def test_a_dropout_of_one_is_refused():
    with pytest.raises(ValidationError, match="less than 1"):
        Config(dropout=1.0)
