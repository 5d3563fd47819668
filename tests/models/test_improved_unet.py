from __future__ import annotations

import pytest
import torch

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models._contract import num_parameters
from glioray.models.improved_unet import Config, build


@pytest.mark.parametrize(("base_filters", "expected"), [(8, 214_043), (16, 799_075), (32, 3_082_739), (64, 12_104_467)])
def test_it_has_as_many_parameters_as_the_course_project_had(base_filters, expected):
    assert num_parameters(build(Config(base_filters=base_filters), Signature(4, 3, 240))) == expected


def test_its_skips_are_added_so_that_its_way_up_reads_one_width():
    model = build(Config(base_filters=2, depth=2), Signature(1, 1, 16))
    below, skip = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 8, 8)

    joined = model.join[0](below, torch.zeros_like(skip))

    torch.testing.assert_close(model.join[0](below, skip), joined + skip)


def test_its_signal_neither_dies_nor_bursts_before_its_norms_know_anything():
    torch.manual_seed(0)
    model = build(Config(base_filters=8), Signature(1, 1, 64)).eval()

    with torch.inference_mode():
        assert 0.1 < model(torch.randn(2, 1, 64, 64)).std() < 10


def test_a_size_that_cannot_be_halved_is_refused_with_the_next_one_that_can():
    with pytest.raises(ModelError, match=r"improved_unet: 250 px.*multiple of 16.*--image-size 256"):
        build(Config(), Signature(4, 3, 250))
