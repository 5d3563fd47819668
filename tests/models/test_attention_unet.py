from __future__ import annotations

import pytest
import torch
from torch import nn

from glioray.data.records import Signature
from glioray.errors import ModelError
from glioray.models import improved_unet
from glioray.models._contract import num_parameters
from glioray.models.attention_unet import Config, build


@pytest.mark.parametrize(("base_filters", "expected"), [(8, 225_287), (16, 843_319), (32, 3_258_263), (64, 12_803_671)])
def test_it_has_as_many_parameters_as_the_course_project_had(base_filters, expected):
    assert num_parameters(build(Config(base_filters=base_filters), Signature(4, 3, 240))) == expected


def test_with_open_gates_it_is_the_improved_unet():
    gated = build(Config(base_filters=2, depth=2), Signature(1, 1, 16)).eval()
    plain = improved_unet.build(improved_unet.Config(base_filters=2, depth=2), Signature(1, 1, 16)).eval()
    plain.load_state_dict({name: value for name, value in gated.state_dict().items() if ".gate." not in name})
    for join in gated.join:
        nn.init.constant_(join.gate.weigh.bias, 1e4)

    image = torch.randn(1, 1, 16, 16)

    torch.testing.assert_close(gated(image), plain(image))


def test_a_closed_gate_lets_nothing_through():
    join = build(Config(base_filters=2, depth=1), Signature(1, 1, 16)).join[0]
    nn.init.constant_(join.gate.weigh.bias, -1e4)
    below, skip = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 16, 16)

    assert torch.equal(join(below, skip), join(below, torch.zeros_like(skip)))


def test_a_gate_starts_half_open_everywhere():
    gate = build(Config(base_filters=8, depth=1), Signature(1, 1, 16)).join[0].gate

    opening = gate(torch.randn(2, 8, 8, 8), torch.randn(2, 8, 16, 16))

    assert opening.shape == (2, 1, 16, 16)
    assert ((opening > 0.3) & (opening < 0.7)).all()


def test_a_size_that_cannot_be_halved_is_refused_with_the_next_one_that_can():
    with pytest.raises(ModelError, match=r"attention_unet: 250 px.*multiple of 16.*--image-size 256"):
        build(Config(), Signature(4, 3, 250))
