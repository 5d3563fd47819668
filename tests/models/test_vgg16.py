from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.vgg16 import Config, build

SMALL = {"base_filters": 2, "head_units": 4}


def test_it_has_as_many_parameters_as_the_course_project_had():
    with torch.device("meta"):  # 65 million weights that nobody reads
        assert num_parameters(build(Config(), Signature(3, 4, 128))) == 65_070_916


def test_a_larger_image_has_no_larger_head():
    at_128, at_256 = (build(Config(**SMALL), Signature(3, 4, size)) for size in (128, 256))

    assert num_parameters(at_128) == num_parameters(at_256)


def test_at_128_px_the_head_reads_the_last_map_itself():
    model = build(Config(**SMALL), Signature(3, 4, 128))

    features = model[:5](torch.randn(1, 3, 128, 128))

    assert torch.equal(model[5](features), features)


def test_its_signal_neither_dies_nor_bursts_on_the_way():
    torch.manual_seed(0)
    model = build(Config(base_filters=16, head_units=64), Signature(3, 4, 64))

    last = model[:5](torch.randn(8, 3, 64, 64))

    assert 0.1 < last.std() < 10


def test_every_stage_has_a_shortcut_where_asked_for():
    model = build(Config(skip="residual", **SMALL), Signature(3, 4, 64))

    shortcuts = [stage[0].shortcut for stage in model[:5]]

    assert [isinstance(shortcut, nn.Identity) for shortcut in shortcuts] == [False, False, False, False, True]


def test_an_image_that_its_pools_eat_up_is_refused():
    build(Config(**SMALL), Signature(1, 2, 32))

    with pytest.raises(ModelError, match="31 px is too small.*--image-size 32"):
        build(Config(**SMALL), Signature(1, 2, 31))
