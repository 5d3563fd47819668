from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.alexnet import SMALLEST_PX, Config, build, feature_side


def test_it_has_as_many_parameters_as_the_course_project_had():
    assert num_parameters(build(Config(), Signature(3, 4, 128))) == 4_589_316


def test_its_shortcut_needs_no_weights_and_is_used():
    plain, residual = (build(Config(skip=skip), Signature(3, 4, 128)) for skip in ("none", "residual"))
    for (_, target), (_, source) in zip(residual.named_parameters(), plain.named_parameters(), strict=True):
        target.data = source.data

    image = torch.randn(1, 3, 128, 128)

    assert not torch.allclose(plain(image), residual(image))


@pytest.mark.parametrize("size_px", [80, 96, 127, 128, 240])
def test_the_side_of_its_last_map_is_worked_out(size_px):
    model = build(Config(), Signature(1, 2, size_px))

    assert model[:3](torch.zeros(1, 1, size_px, size_px)).shape == (1, 256, *(feature_side(size_px),) * 2)


def test_its_smallest_image_works_and_a_smaller_one_is_refused():
    build(Config(), Signature(1, 2, SMALLEST_PX))

    with pytest.raises(ModelError, match="alexnet: 79 px is too small.*--image-size 80"):
        build(Config(), Signature(1, 2, SMALLEST_PX - 1))


def test_it_has_dropout_only_where_asked_for():
    model = build(Config(dropout=0.25), Signature(3, 4, 128))

    assert Config().dropout == 0
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.25}
