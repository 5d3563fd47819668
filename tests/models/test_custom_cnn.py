from __future__ import annotations

import pytest
from pydantic import ValidationError
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.custom_cnn import MIN_SIZE_PX, Config, build


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
    build(Config(), Signature(1, 2, MIN_SIZE_PX))

    with pytest.raises(ModelError, match="79 px is too small"):
        build(Config(), Signature(1, 2, MIN_SIZE_PX - 1))


def test_a_dropout_of_one_is_refused():
    with pytest.raises(ValidationError, match="less than 1"):
        Config(dropout=1.0)
